#!/bin/sh
# The first process of a VM: mounts its file systems, waits for its network card, makes its user, starts its daemons.
#   vm-init.sh VM_DIR NAME ADDRESS
set -eu
vm=$1 name=$2 address=$3
# Still the machine's /proc: the number by which the machine knows this process.
read -r pid _ < /proc/self/stat
cgroups=$(cat /proc/self/cgroup)
machine_cgroups=$(cat /proc/mounts | sed -n 's|^[^ ]* \(/sys/fs/cgroup[^ ]*\) cgroup .*|\1|p')

disk=$vm/disk
mkdir -p "$disk/upper" "$disk/work" "$disk/docker" "$disk/tmp" "$vm/root"
chmod 1777 "$disk/tmp"
mount -t overlay overlay -o "lowerdir=/,upperdir=$disk/upper,workdir=$disk/work" "$vm/root"
cd "$vm/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount --rbind /dev dev
mount -t tmpfs -o mode=755 tmpfs run
mount --bind "$disk/tmp" tmp
mkdir -p var/lib/docker fleet
mount --bind "$disk/docker" var/lib/docker
mount --bind "$vm/.." fleet
if [ -n "$machine_cgroups" ]; then
  mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
  echo "$cgroups" | while IFS=: read -r _ controllers path; do
    folder=${controllers#name=}
    [ -n "$folder" ] || continue
    mkdir -p "sys/fs/cgroup/$folder"
    case $controllers in
      name=*) mount -t cgroup -o "none,$controllers" cgroup "sys/fs/cgroup/$folder" ;;
      *) mount -t cgroup -o "$controllers" cgroup "sys/fs/cgroup/$folder" ;;
    esac
  done
else
  mount -t cgroup2 cgroup2 sys/fs/cgroup
  mkdir -p sys/fs/cgroup/init
  for each in $(cat sys/fs/cgroup/cgroup.procs); do echo "$each" > sys/fs/cgroup/init/cgroup.procs || true; done
  for controller in $(cat sys/fs/cgroup/cgroup.controllers); do
    echo "+$controller" > sys/fs/cgroup/cgroup.subtree_control || true
  done
fi
mkdir -p .machine
pivot_root . .machine
cd /
hostname "$name"
grep -q " $name\$" /etc/hosts || echo "127.0.1.1 $name" >> /etc/hosts
echo "$pid" > "/fleet/$name/pid.new"
mv "/fleet/$name/pid.new" "/fleet/$name/pid"

# The card is put in from outside, as the machine knows the bridge.
until ip link show eth0 > /dev/null 2>&1; do sleep 0.02; done
ip link set lo up
ip address add "$address/24" dev eth0
ip link set eth0 up

# What an operator does once on a new VM; docs/operations.md says the same.
if ! id avishkar > /dev/null 2>&1; then
  useradd --create-home --shell /bin/bash --groups docker --password '*' avishkar
  install -d -o avishkar -g avishkar -m 700 /home/avishkar/.ssh
  install -o avishkar -g avishkar -m 600 /fleet/key.pub /home/avishkar/.ssh/authorized_keys
  chown avishkar /etc/nginx/conf.d
  cat > /etc/sudoers.d/avishkar <<'SUDO'
avishkar ALL=(root) NOPASSWD: /usr/sbin/nginx "", /usr/sbin/nginx -s reload, /usr/sbin/nginx -t -c /etc/nginx/conf.d/.avishkar/check.conf, /usr/bin/systemctl start nginx
SUDO
  chmod 440 /etc/sudoers.d/avishkar
  ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/fleet_host_key
  rm -f /etc/nginx/sites-enabled/default
  cat > /etc/ssh/fleet_sshd_config <<SSHD
ListenAddress $address
HostKey /etc/ssh/fleet_host_key
PidFile /run/sshd.pid
PermitRootLogin no
PasswordAuthentication no
Subsystem sftp internal-sftp
SSHD
fi
mkdir -p /run/sshd /run/lock
# No process of the machine's own is to be reached from here.
umount -l /.machine

for daemon in sshd dockerd nginx; do sh /fleet/daemon.sh "$daemon"; done
until [ -S /run/docker.sock ] && docker version > /dev/null 2>&1; do sleep 0.05; done
touch "/fleet/$name/ready"
exec tini -s -- sleep infinity
