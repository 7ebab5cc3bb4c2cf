#!/bin/sh
# Installs, upgrades and removes the RPMs in a fresh root, whose rpm database is its own:
#   test/install/rpm-in-root.sh [PACKAGES NEXT_PACKAGES]
# As root; needs rpm, debootstrap, zstd and unshare. The root is a Debian, because that is where PostgreSQL can be had here; small RPMs stand in
# for what RPM distributions have and Debian does not tell rpm of. It ends with "all went well" and 0, or at the first step that fails.
set -eu
here=$(dirname "$(readlink -f "$0")")
work=$(mktemp -d "${TMPDIR:-/tmp}/pgcellar-rpm.XXXXXX")
trap 'rm -rf "$work"' EXIT
packages=${1:-$work/packages} next=${2:-$work/next}
if [ -z "${1:-}" ]; then
	node "$here/../../etc/packaging/package.mjs" --quick --only rpm --into "$packages" >/dev/null
	node "$here/../../etc/packaging/package.mjs" --quick --built --only rpm --version 0.1.999 --into "$next" >/dev/null
fi
root=$work/root
"$here/fresh-root.sh" bookworm "$root"
stand_in() { # NAME LINE...: an empty RPM
	name=$1
	shift
	printf '%s\n' "Name: $name" 'Version: 9999' 'Release: 1' 'Summary: stands in' 'License: none' 'BuildArch: noarch' "$@" '%description' 'Stands in.' '%files' >"$work/$name.spec"
	rpmbuild --quiet -bb --define "_topdir $work/rpmbuild" --define "_rpmdir $work" --define '_rpmfilename %%{NAME}.rpm' "$work/$name.spec" >/dev/null
}
stand_in distribution 'Provides: util-linux' 'Provides: shadow-utils' 'Provides: coreutils' 'Provides: /bin/sh' 'Provides: /bin/bash'
stand_in barman
# nothing that a script starts outlives the trial, and nothing of it sees a network
export root work packages next here
unshare --mount --net --pid --fork --kill-child --propagation private sh -euc '
	mount -t proc proc "$root/proc"
	mount --bind /dev "$root/dev"
	mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
	ip link set lo up
	sh -eu "$here/rpm-scenario.sh"
'
