/**
 * What runs on the machine while it is probed. It waits for a line on its input, answers with one line of counters, and
 * so on; when the input ends, because the connection did, it ends. Waiting costs nothing, and a pass starts one program,
 * whatever the number of containers. It needs a POSIX shell, find, df and awk (mawk, gawk or busybox's).
 *
 *     PROBE SERVICE_FOLDER DOCKER_FOLDER [CGROUP_FOLDER]
 *
 * The answer, parts separated by `|`:
 * - seconds since boot, as in /proc/uptime
 * - ticks, as in the first line of /proc/stat
 * - number of cores
 * - kB of memory in total and available
 * - `USED AVAILABLE` kB of each disk
 * - `ID NANOSECONDS BYTES INACTIVE_BYTES` of each container
 */
export const PROBE_SCRIPT = `service=$1 docker=$2 cgroup=\${3:-/sys/fs/cgroup}
if [ -e "$cgroup/cgroup.controllers" ]; then
  version=2 memory=$cgroup cpu=$cgroup
else
  version=1 memory=$cgroup/memory cpu=$cgroup/cpuacct
  [ -d "$cpu" ] || cpu=$cgroup/cpu,cpuacct
fi
cd "$memory" || exit 1
set -f
hex='[0-9a-f]'
id=$hex$hex$hex$hex$hex$hex$hex$hex
id=$id$id$id$id$id$id$id$id
IFS='
'
round=0
while read -r _; do
  if [ "$((round % 5))" -eq 0 ]; then
    parents=$(find . -maxdepth 6 -type d '(' -name "$id" -o -name "docker-$id.scope" ')' -prune -print | sed 's|/[^/]*$||' | sort -u)
    folder=$service
    while [ ! -e "$folder" ] && [ -n "$folder" ]; do folder=\${folder%/*}; done
    disks=$(df -Pk "\${folder:-/}" "$docker" 2>/dev/null | awk 'NR > 1 { print $3, $4 }' | tr '\\n' ' ')
  fi
  round=$((round + 1))
  set +f
  set --
  for parent in $parents; do set -- "$@" $parent/$id $parent/docker-$id.scope; done
  set -f
  awk -v version="$version" -v cpu="$cpu" -v disks="$disks" "$0" "$@"
done`;

/** One pass. Counters stay text: old awks cannot write down large numbers. */
export const PROBE_PASS = `BEGIN {
  while ((getline line < "/proc/stat") > 0) {
    if (line !~ /^cpu/) break
    if (line ~ /^cpu /) ticks = line
    else cores++
  }
  while ((getline line < "/proc/meminfo") > 0) {
    split(line, field, " ")
    if (field[1] == "MemTotal:") total = field[2]
    if (field[1] == "MemAvailable:") { available = field[2]; break }
  }
  getline line < "/proc/uptime"
  split(line, field, " ")
  out = field[1] "|" ticks "|" cores "|" total " " available "|" disks "|"
  usage = version == 2 ? "/memory.current" : "/memory.usage_in_bytes"
  inactive = version == 2 ? "inactive_file" : "total_inactive_file"
  time = version == 2 ? "/cpu.stat" : "/cpuacct.usage"
  for (i = 1; i < ARGC; i++) {
    folder = ARGV[i]
    id = folder
    sub(/^.*\\//, "", id)
    sub(/^docker-/, "", id)
    sub(/\\.scope$/, "", id)
    if (length(id) != 64 || id !~ /^[0-9a-f]+$/) continue
    file = cpu "/" folder time
    if ((getline line < file) <= 0) continue
    close(file)
    if (version == 2) { split(line, field, " "); line = field[2] "000" }
    spent = line
    file = folder usage
    if ((getline line < file) <= 0) continue
    close(file)
    used = line
    file = folder "/memory.stat"
    idle = 0
    while ((getline line < file) > 0) {
      if (index(line, inactive " ") == 1) { split(line, field, " "); idle = field[2]; break }
    }
    close(file)
    out = out id " " spent " " used " " idle ";"
  }
  print out
}`;
