#!/bin/sh
# Boots one VM of a fleet: namespaces, a disk, a root file system of its own. Stays in the foreground as the VM's power
# supply: when it ends, so does all that runs in the VM.
#   vm-boot.sh FLEET_DIR NAME ADDRESS
set -eu
here=$(dirname "$(realpath "$0")")
vm=$1/$2

# A cgroup of the VM's own, which becomes the root of those that are seen inside.
while IFS=: read -r _ controllers path; do
  case $controllers in
    '') base=/sys/fs/cgroup; [ -e $base/cgroup.procs ] || continue ;;
    name=*) base=/sys/fs/cgroup/${controllers#name=} ;;
    *) base=/sys/fs/cgroup/$controllers ;;
  esac
  [ -d "$base" ] || continue
  own=$base/avishkar-fleet/$(basename "$1")-$2
  for each in $base/avishkar-fleet "$own"; do
    mkdir -p "$each"
    for file in cpuset.cpus cpuset.mems; do
      [ ! -e "$each/$file" ] || cat "$(dirname "$each")/$file" > "$each/$file"
    done
    # The second version of cgroups hands controllers down only when told to.
    if [ -e "$each/cgroup.subtree_control" ] && [ "$each" != "$own" ]; then
      for controller in $(cat "$each/cgroup.controllers"); do
        echo "+$controller" > "$each/cgroup.subtree_control" || true
      done
    fi
  done
  echo $$ > "$own/cgroup.procs"
done < /proc/self/cgroup

exec unshare --cgroup --net --mount --uts --ipc --pid --fork --kill-child --propagation private \
  sh "$here/vm-init.sh" "$vm" "$2" "$3"
