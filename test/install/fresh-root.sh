#!/bin/sh
# Makes a fresh root of a Debian suite with PostgreSQL and sshd: fresh-root.sh SUITE FOLDER. As root; needs debootstrap and zstd.
# The first time it downloads one (some minutes); the pristine root is kept as an archive, so that later calls only unpack.
set -eu
suite=$1 folder=$2
cache=${PGCELLAR_TEST_CACHE:-/var/cache/pgcellar-test}/roots
mirror=http://deb.debian.org/debian
archive=$cache/$suite.tar.zst

if [ ! -f "$archive" ]; then
	mkdir -p "$cache"
	making=$(mktemp -d "$cache/making.XXXXXX")
	trap 'rm -rf "$making"' EXIT
	script=/usr/share/debootstrap/scripts/$suite
	[ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
	debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
		"$suite" "$making/root" "$mirror" "$script"
	printf '#!/bin/sh\nexit 101\n' >"$making/root/usr/sbin/policy-rc.d" # no service starts by itself
	chmod 0755 "$making/root/usr/sbin/policy-rc.d"
	mount -t proc proc "$making/root/proc"
	trap 'umount "$making/root/proc"; rm -rf "$making"' EXIT
	DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$making/root" \
		apt-get install -q -y --no-install-recommends postgresql openssh-server openssh-client rsync cron procps zstd util-linux logrotate
	umount "$making/root/proc"
	trap 'rm -rf "$making"' EXIT
	chroot "$making/root" apt-get clean
	tar -C "$making/root" --zstd -cf "$archive.unfinished" .
	mv "$archive.unfinished" "$archive"
fi

mkdir -p "$folder"
tar -C "$folder" --zstd -xf "$archive"
