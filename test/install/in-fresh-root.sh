#!/bin/sh
# Installs the packages in a fresh root of a Debian suite and uses them there, without network:
#   test/install/in-fresh-root.sh bookworm|trixie|forky [PACKAGES NEXT_PACKAGES]
# As root; needs debootstrap, zstd and unshare. PACKAGES are those of npm run package, NEXT_PACKAGES those of a later version; both are
# made when they are not named. It prints each step, and ends with "all went well" and 0, or at the first step that fails.
set -eu
here=$(dirname "$(readlink -f "$0")")
suite=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/pgcellar-install.XXXXXX")
trap 'rm -rf "$work"' EXIT
packages=${2:-$work/packages} next=${3:-$work/next}
if [ -z "${2:-}" ]; then
	node "$here/../../etc/packaging/package.mjs" --quick --only deb,archive --into "$packages" >/dev/null
	node "$here/../../etc/packaging/package.mjs" --quick --only deb --version 0.1.999 --into "$next" >/dev/null
fi
root=$work/root
"$here/fresh-root.sh" "$suite" "$root"
mkdir "$root/packages" "$root/next"
cp "$packages"/* "$root/packages/"
cp "$next"/*.deb "$root/next/"
cp "$here/scenario.sh" "$root/scenario.sh"
# what the scenario starts ends with it, and it sees no network but its own
export root
unshare --mount --net --pid --fork --kill-child --propagation private sh -euc '
	mount -t proc proc "$root/proc"
	mount --bind /dev "$root/dev"
	mount -t tmpfs tmpfs "$root/dev/shm" 2>/dev/null || true
	ip link set lo up
	exec env -i PATH="$PATH" TERM=dumb chroot "$root" /bin/sh /scenario.sh
'
