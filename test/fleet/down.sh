#!/bin/sh
# Takes a fleet down: its VMs, their disks, its bridge, its folder. Can be run again, and on what is half there.
#   down.sh FLEET_DIR
set -u
dir=$1
slot=$(basename "$dir")
[ -d "$dir" ] || exit 0
for vm in "$dir"/VM*; do
  [ -d "$vm" ] || continue
  sh "$dir/power-off.sh" "$vm"
  while umount "$vm/disk" 2> /dev/null; do :; done
  for each in /sys/fs/cgroup/avishkar-fleet/"$slot-$(basename "$vm")" /sys/fs/cgroup/*/avishkar-fleet/"$slot-$(basename "$vm")"; do
    [ ! -d "$each" ] || find "$each" -depth -type d -exec rmdir {} \; 2> /dev/null
  done
done
rmdir /sys/fs/cgroup/avishkar-fleet /sys/fs/cgroup/*/avishkar-fleet 2> /dev/null
ip link delete "avkfleet$slot" 2> /dev/null
iptables -D FORWARD -i "avkfleet$slot" -o "avkfleet$slot" -j ACCEPT 2> /dev/null
rm -rf "$dir"
rmdir "$(dirname "$dir")" 2> /dev/null
exit 0
