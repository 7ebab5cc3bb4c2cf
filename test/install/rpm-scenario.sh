#!/bin/sh
# Runs outside of a root, and installs RPMs into it: see rpm-in-root.sh, which sets root, work, packages and next.
set -eu
step() { echo "== $*"; }
fail() {
	echo "FAILED: $*" >&2
	exit 1
}
rpm_there() { rpm --root "$root" --define '_dbpath /var/lib/rpm' "$@"; }
inside() { env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C HOME=/root chroot "$root" "$@"; }
as_postgres() { inside setpriv --reuid postgres --regid postgres --init-groups "$@"; }
sums_of() { inside sh -c 'cd /var/lib/pgcellar && find . -type f ! -path "*/streaming/*" ! -name "*.lock" ! -path "*/.pgcellar/*" -exec sha256sum {} + | sort -k 2'; }
receiver_runs() {
	tries=0
	until inside pgcellar list-processes main | grep -q receive-wal && inside pgrep -o pg_receivewal >/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 60 ] || return 1
		sleep 1
	done
}

step 'rpm installs the packages'
rpm_there --initdb
rpm_there -i "$work/distribution.rpm"
rpm_there -i "$packages"/pgcellar-runtime-*.rpm "$packages"/pgcellar-0*.rpm
inside pgcellar --version
[ "$(inside stat -c '%U:%G %a' /var/lib/pgcellar)" = 'pgcellar:pgcellar 750' ] || fail 'the home has other modes'
[ "$(inside stat -c '%U:%G %a' /etc/pgcellar/conf.d)" = 'root:pgcellar 770' ] || fail 'the folder of servers has other modes'
[ "$(inside stat -c '%U:%G %a' /etc/pgcellar/pgcellar.conf)" = 'root:pgcellar 640' ] || fail 'the configuration has other modes'
step 'rpm verifies every file'
differing=$(rpm_there -V pgcellar pgcellar-runtime | grep -v ' /etc/pgcellar/conf.d$' || true)
[ -z "$differing" ] || fail "$differing"
inside sh -c 'ls /usr/share/man/man1/pgcellar.1.gz /usr/share/bash-completion/completions/pgcellar /usr/share/zsh/site-functions/_pgcellar' >/dev/null

step 'a backup that was proven'
major=$(inside ls /usr/lib/postgresql | sort -n | tail -1)
inside pg_ctlcluster "$major" main start
inside pgcellar init --yes main
receiver_runs || fail 'no receiver runs'

for version in next packages next; do
	step "rpm installs the packages of $version over a running receiver"
	eval "folder=\$$version"
	before=$(inside pgrep -o pg_receivewal)
	sums=$(sums_of)
	rpm_there -U --oldpackage "$folder"/pgcellar-0*.rpm
	inside pgcellar --version
	receiver_runs || fail 'the receiver is not back'
	[ "$(inside pgrep -o pg_receivewal)" != "$before" ] || fail 'the old receiver goes on'
	[ "$(echo "$sums" | grep '/base/')" = "$(sums_of | grep '/base/')" ] || fail 'a backup has changed'
	as_postgres psql -XAtqc 'SELECT pg_switch_wal()' >/dev/null
done
inside pgcellar cron
inside pgcellar check main >/dev/null || { inside pgcellar check main; fail check; }
inside pgcellar check-backup main latest

step 'the names of Barman, and its package'
rpm_there -i "$next"/pgcellar-compat-*.rpm
inside barman --version | grep -q '^3.20.1 Barman' || fail 'barman does not answer'
inside barman-cloud-backup s3://bucket main 2>/dev/null && fail 'barman-cloud-backup succeeds'
! rpm_there -i "$work/barman.rpm" 2>"$work/refused" || fail 'Barman is installed beside its names'
grep -q 'conflicts with' "$work/refused" || fail "$(cat "$work/refused")"
rpm_there -e pgcellar-compat
rpm_there -i "$work/barman.rpm"
! rpm_there -i "$next"/pgcellar-compat-*.rpm 2>/dev/null || fail 'the names of Barman are installed beside it'
rpm_there -e barman

step 'removal stops the receiver, tells of its slot, and touches nothing of the home'
sums=$(sums_of)
echo '# by hand' >>"$root/etc/logrotate.d/pgcellar"
rpm_there -e pgcellar >"$work/removal" 2>&1
cat "$work/removal"
grep -q 'the replication slots of main stay' "$work/removal" || fail 'it does not tell of the slot'
! inside pgrep -l pg_receivewal || fail 'a receiver still runs'
[ "$sums" = "$(sums_of)" ] || fail 'something of the home has changed'
[ -e "$root/etc/logrotate.d/pgcellar.rpmsave" ] || fail 'the changed configuration is not kept'
[ ! -e "$root/usr/lib/pgcellar" ] || fail "$(find "$root/usr/lib/pgcellar" | head -3) is left"
[ -e "$root/etc/pgcellar/conf.d/main.conf" ] || fail 'the servers are gone'

step 'installed again, it finds its backups'
rpm_there -i "$packages"/pgcellar-0*.rpm
inside pgcellar list-backups main | grep -q main || fail 'no backup is listed'
inside pgcellar check-backup main latest
step 'all went well'
