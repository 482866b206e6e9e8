# What is done to NGINX on the balancer's machine, each verb in one call.
#   sh -c THIS avishkar VERB CONF_DIR MAIN_FILE NGINX PID_FILE [more]
# Answers in sections: a line `== NAME`, then what belongs to it.
set -u
umask 022
export LC_ALL=C
verb=$1 conf=$2 main=$3 program=$4 pid_file=$5
shift 5
work=$conf/.avishkar

section() { printf '\n== %s\n' "$1"; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@" 9>&-; else sudo -n "$@" 9>&-; fi; }
# The main file that NGINX takes by itself is not named, as the rules of sudo hold word by word.
nginx() { if [ "$main" = /etc/nginx/nginx.conf ]; then as_root "$program" "$@"; else as_root "$program" -c "$main" "$@"; fi; }

# The number of NGINX's first process, if it is alive.
master() {
  read -r pid < "$pid_file" || return 1
  read -r name < "/proc/$pid/comm" && [ "$name" = nginx ] && echo "$pid"
} 2> /dev/null

# Its workers: those that take requests, or those that finish what they have.
workers() { # MASTER taking | finishing
  for each in $(cat "/proc/$1/task/$1/children" 2> /dev/null || pgrep -P "$1"); do
    title=
    read -r title < "/proc/$each/cmdline"
    case $title in
      *'shutting down'*) [ "$2" = taking ] || echo "$each" ;;
      *'worker process'*) [ "$2" = finishing ] || echo "$each" ;;
    esac
  done 2> /dev/null
}

# One change at a time, also when an earlier caller has gone and its call has not.
lock() {
  mkdir -p "$work" || exit 3
  exec 9> "$work/lock" || exit 3
  ! command -v flock > /dev/null || flock -w 20 9 || { echo 'another change of NGINX is under way' >&2; exit 4; }
}

# What the files count on: the main file, and which modules are loaded.
main_sum() { { cat "$main"; ls "$(dirname "$main")/modules-enabled"; } 2> /dev/null | sha256sum; }

look() {
  cd "$conf" || exit 3
  section master; master
  section workers; pid=$(master) && workers "$pid" taking
  section names
  set --
  for each in *.conf; do
    [ ! -f "$each" ] || { printf '%s\n' "$each"; [ ! -r "$each" ] || set -- "$@" "$each"; }
  done
  section sums; sha256sum -- /dev/null "$@" .avishkar/*.inc .avishkar/*.lua 2> /dev/null
  section heads; awk 'FNR == 1 { print FILENAME "\t" $0 }' /dev/null "$@"
  section listening; cat /proc/net/tcp /proc/net/tcp6 2> /dev/null | awk '$4 == "0A" { print $2 }'
  section written; grep -Rhsow --exclude=00-avishkar.conf --exclude-dir=.avishkar 'listen[[:space:]][^;{]*' "$(dirname "$main")"
  section main; main_sum
  section shared; cat 00-avishkar.conf 2> /dev/null
}

facts() {
  section main; cat "$main"
  section sum; main_sum
  section version; [ ! -x "$program" ] || "$program" -V 2>&1
  # What is included by a relative path has to be found from the file that is tested, too.
  if mkdir -p "$work" 2> /dev/null; then
    for each in "$(dirname "$main")"/*; do
      [ "$each" = "$conf" ] || [ "$each" = "$main" ] || ln -sfn "$each" "$work/${each##*/}"
    done
  fi
}

# Takes a tar: new/ (files for the folder), shared/ (for the platform's own), check.conf, and the lists `removed` and
# `replaced`, a name a line.
unpack() {
  rm -rf "$work/stage" "$work/backup" && mkdir -p "$work/stage/new" "$work/stage/shared" "$work/backup" || exit 3
  tar -xpf - -C "$work/stage" || exit 3
  find "$work/stage/shared" -type f -exec mv -f -t "$work" {} + || exit 3
}

check() {
  mv -f "$work/stage/check.conf" "$work/check.conf" || exit 3
  section check
  as_root "$program" -t -c "$work/check.conf" 2>&1
  echo "exit $?"
}

put() {
  (cd "$conf" && xargs -r cp -p -t "$work/backup" -- < "$work/stage/replaced") || exit 3
  find "$work/stage/new" -type f -exec mv -f -t "$conf" {} + || exit 3
  (cd "$conf" && xargs -r rm -f -- < "$work/stage/removed") || exit 3
  section put; echo done
}

# Tells NGINX to read its files and waits until new workers take the requests and no old one does. When it cannot use
# them it goes on as it was, without a word to whoever asked; its log, if that may be read, says why.
reload() { # TRIES, of about 20 ms each; LOG
  section reload
  pid=$(master) || { echo 'not running'; return; }
  before=" $(echo $(workers "$pid" taking)) "
  length=$(cat "$2" 2> /dev/null | wc -c)
  nginx -s reload 2>&1 || { echo 'refused'; return; }
  try=0
  while [ "$try" -lt "$1" ]; do
    fresh= stale=
    for each in $(workers "$pid" taking); do
      case $before in *" $each "*) stale=1 ;; *) fresh=1 ;; esac
    done
    if [ -n "$fresh" ] && [ -z "$stale" ]; then echo 'live'; return; fi
    try=$((try + 1))
    sleep 0.02
  done
  tail -c "+$((length + 1))" "$2" 2> /dev/null | grep -F -e '[emerg]' -e '[crit]' | tail -n 20
  echo 'not taken over'
}

start() { # TRIES
  section start
  if [ -d /run/systemd/system ]; then as_root /usr/bin/systemctl start nginx 2>&1; else nginx 2>&1; fi || {
    echo 'not running'
    return
  }
  try=0
  while [ "$try" -lt "$1" ]; do
    if pid=$(master) && [ -n "$(workers "$pid" taking)" ]; then echo 'live'; return; fi
    try=$((try + 1))
    sleep 0.02
  done
  echo 'not running'
}

revert() {
  find "$work/backup" -type f -exec mv -f -t "$conf" {} + || exit 3
  (cd "$conf" && xargs -r rm -f -- < "$work/stage/added") || exit 3
}

# Which of these addresses (as the kernel writes them, with blanks between) NGINX's workers have a connection to.
connected() { # ADDRESSES
  pid=$(master) && worker=$(workers "$pid" taking | head -n 1)
  uid=$(awk '$1 == "Uid:" { print $3 }' "/proc/${worker:-none}/status" 2> /dev/null)
  section connected
  cat /proc/net/tcp /proc/net/tcp6 2> /dev/null | awk -v wanted="$1" -v uid="$uid" '
    BEGIN { n = split(wanted, list, " "); for (i = 1; i <= n; i++) want[list[i]] = 1 }
    ($3 in want) && ($4 == "01" || $4 == "02" || $4 == "08") && (uid == "" || $8 == uid) && !seen[$3]++ { print $3 }'
}

case $verb in
  look) look ;;
  facts) facts ;;
  check) lock; unpack; check ;;
  # Only if NGINX would take it.
  change)
    lock
    unpack
    check > "$work/stage/said"
    cat "$work/stage/said"
    if tail -n 1 "$work/stage/said" | grep -qx 'exit 0'; then put; "$@"; fi
    ;;
  # Whatever NGINX would say.
  write) lock; unpack; put ;;
  revert) lock; revert ;;
  connected) connected "$@" ;;
  *) echo "no verb $verb" >&2; exit 2 ;;
esac
# What went wrong has ended this already, or was said.
exit 0
