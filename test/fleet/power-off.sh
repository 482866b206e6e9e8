#!/bin/sh
# Takes the power from a VM and waits until nothing of it runs.
#   power-off.sh VM_DIR
set -u
vm=$1
# One of that number that is in the same namespace as we are is another process: the VM's is long gone.
if [ -f "$vm/pid" ]; then
  pid=$(cat "$vm/pid")
  if [ "$(readlink "/proc/$pid/ns/pid")" != "$(readlink /proc/self/ns/pid)" ] && [ -d "/proc/$pid" ]; then
    kill -9 "$pid"
    while [ -d "/proc/$pid" ] && [ "$(cut -d' ' -f3 "/proc/$pid/stat" 2> /dev/null)" != Z ]; do sleep 0.02; done
  fi
fi
# The kernel takes it away with the VM, but in its own time.
ip link delete "avk$(basename "$(dirname "$vm")")-$(basename "$vm")" 2> /dev/null
rm -f "$vm/pid" "$vm/ready"
