#!/bin/sh
# Starts a daemon of a VM, as its service manager would.
#   daemon.sh sshd | dockerd | nginx
set -eu
case $1 in
  sshd) /usr/sbin/sshd -f /etc/ssh/fleet_sshd_config -E /var/log/sshd.log ;;
  nginx) /usr/sbin/nginx ;;
  dockerd)
    rm -f /run/docker.pid
    setsid dockerd --data-root /var/lib/docker --exec-root /run/docker --pidfile /run/docker.pid \
      --host unix:///run/docker.sock --group docker --bip 172.31.255.1/24 \
      < /dev/null >> /var/log/dockerd.log 2>&1 &
    ;;
  *) echo "no daemon $1" >&2; exit 2 ;;
esac
