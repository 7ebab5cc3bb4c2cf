#!/bin/sh
# Runs in a fresh Debian with PostgreSQL, sshd and no network: see in-fresh-root.sh.
set -eu
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
cd /
step() { echo "== $*"; }
fail() {
	echo "FAILED: $*" >&2
	exit 1
}
as() { # USER COMMAND...
	user=$1
	shift
	setpriv --reuid "$user" --regid "$user" --init-groups env HOME="$(getent passwd "$user" | cut -d: -f6)" USER="$user" "$@"
}
sql() { as postgres psql -X -q -A -t -v ON_ERROR_STOP=1 -d postgres -c "$1"; }
major=$(ls /usr/lib/postgresql | sort -n | tail -1)
home=/var/lib/pgcellar

step "PostgreSQL $major runs"
pg_ctlcluster "$major" main start
sql 'CREATE TABLE kept (id bigint)' >/dev/null

step "dpkg installs the packages, with nothing from a network"
dpkg -i /packages/pgcellar-runtime_*.deb /packages/pgcellar_*.deb >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; fail dpkg; }
pgcellar --version
[ "$(stat -c '%U %a' $home)" = 'pgcellar 750' ] || fail "the home is $(stat -c '%U %a' $home)"
pgcellar list-servers

step "the first page"
sql 'INSERT INTO kept SELECT generate_series(1, 1000)'
begun=$(date +%s)
pgcellar init --yes main
took=$(($(date +%s) - begun))
[ $took -lt 300 ] || fail "the first hour took $took s"
echo "from nothing to a backup that was proven: $took s"
pgcellar check main >/dev/null || { pgcellar check main; fail check; }
pgcellar list-backups main
[ -z "$(ls -d $home/pgcellar-drill-* 2>/dev/null)" ] || fail "the scratch folder is still there"

restored_rows() { # rows of a restore to the end of the archive
	pgcellar restore --start main latest /tmp/restored >/tmp/restore.log 2>&1 || { cat /tmp/restore.log; fail restore; }
	as pgcellar $(sed -n 's/.*Connect: //p' /tmp/restore.log) -XAtq -d postgres -c 'SELECT count(*) FROM kept'
	pid=$(sed -n 's/.*kill -INT \([0-9]*\),.*/\1/p' /tmp/restore.log)
	kill -INT "$pid"
	folder=$(sed -n 's/.*Connect: psql -h \([^ ]*\) .*/\1/p' /tmp/restore.log)
	tries=0
	while [ -d "$folder" ] && [ $tries -lt 100 ]; do # nobody reaps the process here
		tries=$((tries + 1))
		sleep 0.2
	done
	rm -rf /tmp/restored
}
step "a restore has every row"
pgcellar switch-wal --archive main >/dev/null
rows=$(restored_rows)
[ "$rows" = 1000 ] || fail "$rows rows"

receiver_runs() { # it takes the lock a moment after it was started
	tries=0
	until pgcellar list-processes main | grep -q receive-wal && pgrep -o pg_receivewal >/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 30 ] || return 1
		sleep 1
	done
}
receiver_runs || fail "no receiver runs"
(
	i=1000
	while [ "$i" -lt 4000 ]; do
		i=$((i + 100))
		sql "INSERT INTO kept SELECT generate_series(1, 100)"
		sql 'SELECT pg_switch_wal()' >/dev/null
		sleep 0.2
	done
) &
writer=$!
for version in next packages next; do
	step "dpkg installs the packages of /$version over a running receiver"
	before=$(pgrep -o pg_receivewal)
	dpkg -i /$version/pgcellar_*.deb 2>&1 | grep pgcellar: || true
	receiver_runs || fail "the receiver is not back"
	[ "$(pgrep -o pg_receivewal)" != "$before" ] || fail "the old receiver goes on"
	pgcellar --version
done
wait $writer
pgcellar switch-wal --archive main >/dev/null
ls $home/main/wals/0*
pgcellar check main >/dev/null || { pgcellar check main; fail check; }
rows=$(restored_rows)
[ "$rows" = 4000 ] || fail "$rows rows of 4000 after upgrades"

step "the names of Barman"
dpkg -i /packages/pgcellar-compat_*.deb >/tmp/dpkg.log 2>&1 || dpkg -i /next/pgcellar-compat_*.deb >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; fail compat; }
barman --version | grep -q '^3.20.1 Barman'
barman list-backups main
dpkg -r pgcellar-compat >/dev/null

step "removal touches nothing of the home"
pgcellar terminate-process main receive-wal >/dev/null
pgcellar cron
dpkg -r pgcellar 2>&1 | grep pgcellar: || fail "it does not tell of the slot"
pgrep -l pg_receivewal && fail "a receiver still runs"
[ -d $home/main/base ] || fail "no backups any more"
step "purge says what it leaves"
dpkg -P pgcellar 2>&1 | tee /tmp/purge.log
grep -q "$home: .* of backups" /tmp/purge.log || fail "not told"
[ -d $home/main/base ] || fail "no backups any more"
[ ! -e /etc/pgcellar/pgcellar.conf ] || fail "the configuration is still there"

step "installed again, it finds its backups"
dpkg -i /packages/pgcellar_*.deb >/dev/null 2>&1
pgcellar list-backups main | grep -q main || fail "no backup is listed"
pgcellar check-backup main latest
dpkg -P pgcellar >/dev/null 2>&1

step "the archive runs as an ordinary user in a folder with blanks"
useradd --create-home --shell /bin/sh dba
folder='/home/dba/for all of us'
as dba mkdir "$folder"
as dba tar -C "$folder" --zstd -xf /packages/pgcellar-*-linux-x64.tar.zst
program=$(echo "$folder"/pgcellar-*/bin/pgcellar)
sql "CREATE ROLE dba LOGIN REPLICATION IN ROLE pg_read_all_settings, pg_read_all_stats, pg_checkpoint"
sql "GRANT EXECUTE ON FUNCTION pg_backup_start(text, boolean), pg_backup_stop(boolean), pg_switch_wal(), pg_create_restore_point(text) TO dba"
as dba "$program" init --yes main --slot-name dba --home "$folder/backups here"
as dba "$program" restore main latest "$folder/restored here" >/dev/null
[ -e "$folder/restored here/PG_VERSION" ] || fail "nothing was restored"
as dba "$program" terminate-process main receive-wal >/dev/null
step "all went well"
