#!/bin/sh
# Makes the base images of a fleet without a registry, out of this machine's own Node and Python, as tar files.
#   base-images.sh NODE_BINARY NPM_FOLDER OUTPUT_DIR
set -eu
node=$1 npm=$2 out=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The libraries that a program is linked to.
libraries() { ldd "$@" 2> /dev/null | sed -n 's/^[^/]*\(\/[^ ]*\) (0x.*/\1/p' | sort -u; }

tools() {
  root=$1
  mkdir -p "$root/bin" "$root/usr/bin" "$root/etc/ssl/certs" "$root/tmp" "$root/root" "$root/var/tmp" "$root/usr/lib" "$root/lib" "$root/lib64"
  chmod 1777 "$root/tmp" "$root/var/tmp"
  cp /bin/busybox "$root/bin/busybox"
  for applet in $(/bin/busybox --list); do [ "$applet" = busybox ] || ln -sf /bin/busybox "$root/bin/$applet"; done
  [ ! -e /etc/ssl/certs/ca-certificates.crt ] || cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n' > "$root/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n' > "$root/etc/group"
  echo 'hosts: files dns' > "$root/etc/nsswitch.conf"
}
with() { # ROOT FILES…: copies them with the same paths
  root=$1; shift
  tar -ch --hard-dereference "$@" 2> /dev/null | tar -x -C "$root"
}

mkdir "$work/node" "$work/python"
tools "$work/node"
cp -L "$node" "$work/node/usr/bin/node"
# shellcheck disable=SC2046
with "$work/node" $(libraries "$node") $(ls /lib/x86_64-linux-gnu/libnss_dns.so.2 /lib/x86_64-linux-gnu/libnss_files.so.2 2> /dev/null)
mkdir -p "$work/node/usr/lib/node_modules"
cp -rL "$npm" "$work/node/usr/lib/node_modules/npm"
printf '#!/usr/bin/node\nrequire("/usr/lib/node_modules/npm/bin/npm-cli.js");\n' > "$work/node/usr/bin/npm"
chmod 755 "$work/node/usr/bin/npm"
tar -c -C "$work/node" . > "$out/node.tar"

tools "$work/python"
python=$(realpath /usr/bin/python3)
version=$(basename "$python")
# shellcheck disable=SC2046
with "$work/python" "$python" $(libraries "$python" /usr/lib/"$version"/lib-dynload/*.so)
tar -ch -C / --exclude=__pycache__ --exclude='test' --exclude='*/config-*' --exclude=EXTERNALLY-MANAGED "usr/lib/$version" 2> /dev/null | tar -x -C "$work/python"
with "$work/python" /usr/share/python-wheels
ln -sf "$version" "$work/python/usr/bin/python3"
ln -sf "$version" "$work/python/usr/bin/python"
/usr/bin/python3 -m venv "$work/venv"
mkdir -p "$work/python/usr/lib/python3/dist-packages"
cp -r "$work"/venv/lib/*/site-packages/pip* "$work/python/usr/lib/python3/dist-packages/"
for each in pip pip3; do
  printf '#!/usr/bin/python3\nimport sys\nfrom pip._internal.cli.main import main\nsys.exit(main())\n' > "$work/python/usr/bin/$each"
  chmod 755 "$work/python/usr/bin/$each"
done
tar -c -C "$work/python" . > "$out/python.tar"
