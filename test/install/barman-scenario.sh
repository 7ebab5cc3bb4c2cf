#!/bin/sh
# Runs in a fresh Debian that PostgreSQL and apt work in: see from-barman.sh.
set -eu
export LC_ALL=C DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
cd /
step() { echo "== $*"; }
fail() {
	echo "FAILED: $*" >&2
	exit 1
}
quietly() { "$@" >/tmp/quiet.log 2>&1 || { cat /tmp/quiet.log; fail "$*"; }; }
as() {
	user=$1
	shift
	setpriv --reuid "$user" --regid "$user" --init-groups env HOME="$(getent passwd "$user" | cut -d: -f6)" "$@"
}
sql() { as postgres psql -X -q -A -t -v ON_ERROR_STOP=1 -d postgres -c "$1"; }
home=/var/lib/barman
receiver_runs() {
	tries=0
	until [ "$(sql "SELECT count(*) FROM pg_replication_slots WHERE active")" = 1 ]; do
		tries=$((tries + 1))
		[ $tries -lt 60 ] || return 1
		sleep 1
	done
}
# every file of the home but those that WAL and its index come to by themselves: they are compared by name
sums() { find $home -type f ! -path '*/streaming/*' ! -path '*/.pgcellar/*' ! -name '*.compressed' ! -name '*.tmp' ! -name '.*.lock' ! -name '*xlog.db' -printf '%p\n' | xargs -d '\n' sha256sum | sort; }
kept() { # BEFORE AFTER: every file of the first is in the second as it was
	lost=$(comm -23 "$1" "$2")
	[ -z "$lost" ] || fail "changed or gone: $(echo "$lost" | head -5)"
}
checked() { # by Barman
	as barman barman check main >/tmp/check.log 2>&1 || { cat /tmp/check.log; fail "$1"; }
}

step 'a real Barman, a cluster far in its WAL, and a backup'
quietly apt-get -o Acquire::Check-Valid-Until=false update
quietly apt-get install -q -y --no-install-recommends barman barman-cli
as barman barman --version | head -1
major=$(ls /usr/lib/postgresql | sort -n | tail -1)
quietly as postgres "/usr/lib/postgresql/$major/bin/pg_resetwal" -l 00000001000000C800000001 "/var/lib/postgresql/$major/main"
pg_ctlcluster "$major" main start
sql "CREATE ROLE barman LOGIN REPLICATION SUPERUSER"
sql "CREATE TABLE written (id bigint)"
cat >/etc/barman.d/main.conf <<EOF
[main]
description = a year of history
conninfo = dbname=postgres user=barman
streaming_conninfo = dbname=postgres user=barman
backup_method = postgres
streaming_archiver = on
slot_name = barman
create_slot = auto
retention_policy = RECOVERY WINDOW OF 24 MONTHS
EOF
echo '30 1 * * * barman [ -x /usr/bin/barman ] && /usr/bin/barman -q backup main' >>/etc/cron.d/barman
as barman barman cron >/dev/null
receiver_runs || fail 'no receiver of Barman'
quietly as barman barman switch-wal --force --archive main
step 'a client writes all the time'
(
	while [ ! -e /tmp/enough ]; do
		sql 'INSERT INTO written SELECT generate_series(1, 100)' && sql 'SELECT pg_switch_wal()' >/dev/null
		sleep 0.5
	done
) &
writer=$!
checked 'check of Barman before its backup'
quietly as barman barman backup --wait main
quietly dpkg -i /packages/pgcellar-runtime_*.deb /packages/pgcellar_*.deb
/usr/lib/pgcellar-runtime/bin/node /year-of-barman.mjs $home/main 365 30000
checked 'Barman is not content with the history'
[ "$(as barman barman list-backups --minimal main | wc -l)" = 366 ] || fail 'Barman does not list the history'

# its own maintenance, as cron would
maintained() { "$@" >/dev/null 2>&1 || true; }

step 'the look changes no byte'
sums >/tmp/before
began=$(date +%s)
pgcellar adopt-barman >/tmp/told
echo "it took $(($(date +%s) - began)) s"
cat /tmp/told
sums >/tmp/after
kept /tmp/before /tmp/after

commands() { sed -n "/^$1/,/^\$/s/^    //p" /tmp/told; }
step 'the commands of the switch'
commands 'To switch' >/tmp/switch
sh -eux /tmp/switch
sums >/tmp/switched
kept /tmp/before /tmp/switched
receiver_runs || fail 'no receiver of pgcellar'
grep -q "^\* \* \* \* \* barman /usr/bin/pgcellar -q cron" /etc/cron.d/pgcellar-barman || fail 'no maintenance'
grep -q '/usr/bin/pgcellar -q backup main' /etc/cron.d/pgcellar-barman || fail 'the nightly backup is not scheduled any more'
sleep 3
pgcellar cron
pgcellar check main >/dev/null || { pgcellar check main; fail 'check of pgcellar'; }
checked 'check of Barman after the switch'
quietly pgcellar backup --wait main
[ "$(pgcellar list-backups --minimal main | wc -l)" = 367 ] || fail 'a backup is missing'

step "the package with Barman's names, by apt, and Barman again"
sums >/tmp/before-compat
quietly apt-get install -q -y --no-install-recommends /packages/pgcellar-compat_*.deb
barman --version | grep pgcellar || fail 'the name is not ours'
[ "$(dpkg-query -W -f '${Status}' barman)" = 'deinstall ok config-files' ] || fail "Barman is $(dpkg-query -W -f '${Status}' barman)"
barman-cloud-backup --version 2>&1 | head -1
quietly barman check main
quietly apt-get install -q -y --no-install-recommends barman barman-cli
! barman --version | grep pgcellar || fail "the name is not Barman's again"
! dpkg-query -W -f '${Status}' pgcellar-compat | grep -q 'ok installed' || fail 'both are installed'
[ ! -e /etc/cron.d/barman ] || mv /etc/cron.d/barman /etc/cron.d/barman.off
sums >/tmp/after-compat
kept /tmp/before-compat /tmp/after-compat

step 'the commands of the way back'
sums >/tmp/before-back
commands 'To go back' | sed 's/barman cron$/setpriv --reuid barman --regid barman --init-groups env HOME=\/var\/lib\/barman barman cron/' >/tmp/back
sh -eux /tmp/back
sums >/tmp/gone-back
kept /tmp/before-back /tmp/gone-back
receiver_runs || fail 'no receiver of Barman'
touch /tmp/enough
wait $writer
sleep 2
maintained as barman barman cron
quietly as barman barman switch-wal --force --archive main
checked 'check of Barman after the way back'
[ "$(as barman barman list-backups --minimal main | wc -l)" = 367 ] || fail 'Barman does not list the backup of pgcellar'

step 'no segment is missing or kept twice'
sleep 3
maintained as barman barman cron
sleep 3
index=$(ls $home/main/wals/*xlog.db)
[ -z "$(cut -f 1 "$index" | sort | uniq -d)" ] || fail "twice in the index: $(cut -f 1 "$index" | sort | uniq -d | head -3)"
[ -z "$(find $home/main/wals -type f -name '0*' -printf '%f\n' | sort | uniq -d)" ] || fail 'a file is there twice'
[ -z "$(find $home/main/errors -type f)" ] || fail "$(ls $home/main/errors) in errors"
cut -f 1 "$index" | grep -E '^[0-9A-F]{24}$' | sort >/tmp/archived
/usr/lib/pgcellar-runtime/bin/node -e '
	const names = require("fs").readFileSync("/tmp/archived", "utf8").trim().split("\n");
	const numbers = names.map((name) => parseInt(name.slice(8, 16), 16) * 256 + parseInt(name.slice(16), 16));
	const gap = numbers.findIndex((number, index) => index > 0 && number !== numbers[index - 1] + 1);
	if (gap > 0) { console.log("FAILED: nothing between " + names[gap - 1] + " and " + names[gap]); process.exit(1); }
	console.log(names.length + " segments, from " + names[0] + " to " + names.at(-1));
'
pgcellar check-backup main latest
pgcellar terminate-process main receive-wal >/dev/null
step 'all went well'
