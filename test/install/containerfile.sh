#!/bin/sh
# Executes the steps of the Containerfile in a fresh Debian root, as a builder of images would, and then its command:
#   test/install/containerfile.sh [PACKAGES]
# As root; needs debootstrap, zstd, unshare, and the network that apt needs. It ends with "all went well" and 0, or at the first step that fails.
set -eu
here=$(dirname "$(readlink -f "$0")")
file=$here/../../Containerfile
work=$(mktemp -d "${TMPDIR:-/tmp}/pgcellar-container.XXXXXX")
trap 'rm -rf "$work"' EXIT
packages=${1:-$work/packages}
[ -n "${1:-}" ] || node "$here/../../etc/packaging/package.mjs" --quick --only deb --into "$packages" >/dev/null
root=$work/root
fail() {
	echo "FAILED: $*" >&2
	exit 1
}
suite=$(sed -n 's/^FROM .*debian:\([a-z]*\)-slim$/\1/p' "$file")
"$here/fresh-root.sh" "$suite" "$root"
cp /etc/resolv.conf "$root/etc/resolv.conf"
export root user=root environment=
enter() { # COMMAND: a shell's, in a namespace that ends with it
	command=$1 unshare --mount --pid --fork --kill-child --propagation private sh -euc '
		mount -t proc proc "$root/proc"
		mount --bind /dev "$root/dev"
		exec chroot "$root" setpriv --reuid "$user" --regid "$user" --init-groups env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin $environment /bin/sh -c "$command"
	'
}
# each step on a line of its own
sed -e '/^#/d' -e ':a' -e '/\\$/N; s/\\\n//; ta' "$file" >"$work/steps"
while read -r step words; do
	echo "== $step $words" | cut -c 1-140
	case $step in
	FROM | VOLUME) ;;
	ENV) environment="$environment $words" ;;
	COPY)
		target=${words##* }
		mkdir -p "$root$target"
		for source in ${words% *}; do cp "$packages"/${source##*/} "$root$target"; done
		;;
	RUN) enter "$words" </dev/null >"$work/log" 2>&1 || { tail -20 "$work/log"; fail "$step $words"; } ;;
	USER) user=$words ;;
	ENTRYPOINT) entry=$(echo "$words" | tr -d '[]",') ;;
	CMD) command=$(echo "$words" | tr -d '[]",') ;;
	*) fail "what is $step?" ;;
	esac
done <"$work/steps"
echo "== $entry --version, list-servers and $command --list as $user"
enter "$entry --version && $entry list-servers && $entry $command --list"
echo "== $entry $command runs until it is told to stop"
enter "timeout --signal TERM --preserve-status 5 $entry $command" || fail "it ended with $?"
echo '== all went well'
