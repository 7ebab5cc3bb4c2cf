#!/bin/sh
# From a real Barman with a year of history to pgcellar and back, in a fresh root, by the commands that adopt-barman prints:
#   test/install/from-barman.sh trixie|forky [PACKAGES]
# As root; needs debootstrap, zstd, unshare, and the network that apt needs for Barman (3.13.3 in trixie, 3.20.1 in forky). A client writes all
# the time. It ends with "all went well" and 0, or at the first step that fails.
set -eu
here=$(dirname "$(readlink -f "$0")")
suite=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/pgcellar-barman.XXXXXX")
trap 'rm -rf "$work"' EXIT
packages=${2:-$work/packages}
[ -n "${2:-}" ] || node "$here/../../etc/packaging/package.mjs" --quick --only deb --into "$packages" >/dev/null
root=$work/root
"$here/fresh-root.sh" "$suite" "$root"
cp /etc/resolv.conf "$root/etc/resolv.conf"
mkdir "$root/packages"
cp "$packages"/*.deb "$root/packages/"
cp "$here/barman-scenario.sh" "$here/year-of-barman.mjs" "$root/"
export root
unshare --mount --pid --fork --kill-child --propagation private sh -euc '
	mount -t proc proc "$root/proc"
	mount --bind /dev "$root/dev"
	mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
	exec env -i PATH="$PATH" TERM=dumb chroot "$root" /bin/sh /barman-scenario.sh
'
