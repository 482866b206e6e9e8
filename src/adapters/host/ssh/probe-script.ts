/**
 * What runs on the machine while it is probed: one awk, which waits for a line on its input, answers with one line of
 * counters, and so on. When the input ends, because the connection did, it ends. Waiting costs nothing, and reading
 * starts no program, whatever the number of containers; only every fifth time it is looked for new ones, and at disks.
 * It needs a POSIX shell, find, df and awk (mawk, gawk, busybox's or the original one).
 *
 *     sh -c PROBE_SCRIPT PROBE_PROGRAM SERVICE_FOLDER DOCKER_FOLDER [CGROUP_FOLDER]
 *
 * The answer, parts separated by `|`:
 * - seconds since boot, as in /proc/uptime
 * - ticks, as in the first line of /proc/stat
 * - number of cores
 * - kB of memory in total and available
 * - `USED AVAILABLE` kB of each disk
 * - `ID NANOSECONDS BYTES INACTIVE_BYTES;` of each container
 */
export const PROBE_SCRIPT = `export PROBE_SERVICE="$1" PROBE_DOCKER="$2"
cgroup=\${3:-/sys/fs/cgroup}
if [ -e "$cgroup/cgroup.controllers" ]; then
  version=2 memory=$cgroup cpu=$cgroup
else
  version=1 memory=$cgroup/memory cpu=$cgroup/cpuacct
  [ -d "$cpu" ] || cpu=$cgroup/cpu,cpuacct
fi
cd "$memory" || exit 1
# mawk would wait for more than a line.
case $(awk -W version 2>&1 </dev/null) in
mawk*) exec awk -W interactive -v version="$version" -v cpu="$cpu" "$0" ;;
*) exec awk -v version="$version" -v cpu="$cpu" "$0" ;;
esac`;

/** Counters stay text: old awks cannot write down large numbers, nor do they know `{64}` in patterns. */
export const PROBE_PROGRAM = `BEGIN {
  usage = version == 2 ? "/memory.current" : "/memory.usage_in_bytes"
  inactive = version == 2 ? "inactive_file " : "total_inactive_file "
  time = version == 2 ? "/cpu.stat" : "/cpuacct.usage"
  counter = version == 2 ? "cgroup.stat" : "/proc/cgroups"
  counted = version == 2 ? "nr_descendants" : "memory"
  hex = "[0-9a-f]"
  name = hex hex hex hex hex hex hex hex
  name = name name name name name name name name
  search = "find . -maxdepth 6 -type d '(' -name '" name "' -o -name 'docker-" name ".scope' ')' -prune -print"
  search = search " 2>/dev/null </dev/null"
  measure = "folder=$PROBE_SERVICE; while [ ! -e \\"$folder\\" ] && [ -n \\"$folder\\" ]; do folder=\${folder%/*}; done;"
  measure = measure " df -Pk \\"\${folder:-/}\\" \\"$PROBE_DOCKER\\" 2>/dev/null </dev/null"
}
{
  number = ""
  while ((getline line < counter) > 0) {
    split(line, field, " ")
    if (field[1] == counted) number = version == 2 ? field[2] : field[3]
  }
  close(counter)
  if (passes % 5 == 0 || number != before) look()
  if (passes % 5 == 0) df()
  before = number
  passes++

  cores = 0
  while ((getline line < "/proc/stat") > 0) {
    if (line !~ /^cpu/) break
    if (line ~ /^cpu /) ticks = line
    else cores++
  }
  close("/proc/stat")
  while ((getline line < "/proc/meminfo") > 0) {
    split(line, field, " ")
    if (field[1] == "MemTotal:") total = field[2]
    if (field[1] == "MemAvailable:") { available = field[2]; break }
  }
  close("/proc/meminfo")
  getline line < "/proc/uptime"
  close("/proc/uptime")
  split(line, field, " ")
  out = field[1] "|" ticks "|" cores "|" total " " available "|" disks "|"
  for (i = 1; i <= count; i++) out = out container(folders[i], ids[i])
  print out
  fflush()
}
function look(  id, path) {
  count = 0
  while ((search | getline path) > 0) {
    id = path
    sub(/^.*\\//, "", id)
    sub(/^docker-/, "", id)
    sub(/[.]scope$/, "", id)
    count++
    folders[count] = path
    ids[count] = id
  }
  close(search)
}
function df(  line, field) {
  disks = ""
  while ((measure | getline line) > 0) {
    # Names of devices and folders, around it, may hold spaces.
    if (!match(line, / [0-9]+ +-?[0-9]+ +[0-9]+% /)) continue
    split(substr(line, RSTART, RLENGTH), field, " ")
    disks = disks field[1] " " field[2] " "
  }
  close(measure)
}
function container(folder, id,  file, line, spent, used, idle, field) {
  file = cpu "/" folder time
  if ((getline line < file) <= 0) return ""
  close(file)
  spent = line
  if (version == 2) { split(line, field, " "); spent = field[2] "000" }
  file = folder usage
  if ((getline used < file) <= 0) return ""
  close(file)
  file = folder "/memory.stat"
  idle = 0
  while ((getline line < file) > 0) {
    if (index(line, inactive) == 1) { split(line, field, " "); idle = field[2]; break }
  }
  close(file)
  return id " " spent " " used " " idle ";"
}`;
