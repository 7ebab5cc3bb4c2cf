import type { QueryOption, Remedy, RemedyStep, RemedyValues } from './remedy.ts';

const own = (...words: readonly string[]): RemedyStep => ({ kind: 'pgcellar', words });
const shell = (...words: readonly string[]): RemedyStep => ({ kind: 'shell', words });
const root = (...words: readonly string[]): RemedyStep => ({ kind: 'root', words });
const host = (...words: readonly string[]): RemedyStep => ({ kind: 'host', words });
const sql = (text: string): RemedyStep => ({ kind: 'sql', text });
const hba = (text: string): RemedyStep => ({ kind: 'hba', text });
const setting = (text: string): RemedyStep => ({ kind: 'setting', text });
const note = (text: string): RemedyStep => ({ kind: 'note', text });
const decision = (step: RemedyStep): RemedyStep => ({ ...step, isDecision: true });

const startReceiver = own('cron');
const restart = host('systemctl', 'restart', 'postgresql');
const reload = sql('SELECT pg_reload_conf();');
const createRole = (attributes: string): RemedyStep =>
  sql(
    `DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN CREATE ROLE {role} ${attributes}; END IF; END $$;`,
  );
const monitor = sql('GRANT pg_read_all_settings, pg_read_all_stats TO {role};');
const installClient = root('apt-get', 'install', '-y', 'postgresql-client-{major}');
const archiveCommand = sql("ALTER SYSTEM SET archive_command = '{command}';");

/**
 * Every remedy that a check can name: the cause in general words, and the steps with placeholders for what belongs to the server at hand.
 * `check` and `doctor` fill them in, docs/checks.md shows them as they are. Of every server are known: `{server}`, `{file}` (where its
 * section stands), `{owner}` (user of the catalog), `{backupHost}`. What holds `…`, or a placeholder whose value is unknown, is advice and is
 * never run.
 */
const table = {
  'first-segment-streamed': {
    cause: 'no WAL was archived yet, and no receiver runs: start the receiver, then close a first segment',
    steps: [startReceiver, own('switch-wal', '--force', '--archive', '{server}')],
  },
  'first-segment-shipped': {
    cause: 'no WAL was archived yet: PostgreSQL has sent nothing to {incoming}',
    steps: [own('switch-wal', '--force', '--archive', '{server}')],
  },
  'takes-nothing-in': {
    cause: 'no WAL was archived yet, and the server is not active here',
    steps: [setting('active = true'), startReceiver],
  },
  'channel-off': {
    cause: 'WAL lies in {folder}, but {option} is off: no program archives it',
    steps: [setting('{option} = on'), own('archive-wal', '{server}')],
  },
  'queue-long': {
    cause: 'WAL arrives in {folder} faster than it is archived, or archive-wal does not run',
    steps: [own('archive-wal', '{server}')],
  },
  'arrivals-stuck': {
    cause:
      'files in {folder} cannot be archived: they are truncated, unreadable, or compressed with a program that is missing here',
    steps: [
      own('archive-wal', '{server}'),
      note('its output names each file; after you remove a truncated file, PostgreSQL sends it again if it still has it'),
    ],
  },
  'conninfo-unset': { cause: '{key} is not set', steps: [setting('{key} = host=… user=… dbname=postgres')] },
  'not-listening': {
    cause: 'no server accepts connections at {where}: PostgreSQL is down, or host and port in {key} are wrong',
    steps: [host('systemctl', 'start', 'postgresql')],
  },
  'not-let-in': {
    cause: 'PostgreSQL at {where} rejects {role} from this host: pg_hba.conf has no line for it, or the role does not exist',
    steps: [createRole('LOGIN'), hba('host  {database}  {role}  {address}  scram-sha-256'), reload],
  },
  'not-let-in-locally': {
    cause: 'PostgreSQL at {where} rejects {role} from this host: pg_hba.conf has no line for it, or the role does not exist',
    steps: [createRole('LOGIN'), hba('local  {database}  {role}  peer'), reload],
  },
  'stream-not-let-in': {
    cause:
      'PostgreSQL at {where} rejects replication by {role} from this host: pg_hba.conf has no line for it, or the role does not exist',
    steps: [createRole('LOGIN REPLICATION'), hba('host  replication  {role}  {address}  scram-sha-256'), reload],
  },
  'stream-not-let-in-locally': {
    cause:
      'PostgreSQL at {where} rejects replication by {role} from this host: pg_hba.conf has no line for it, or the role does not exist',
    steps: [createRole('LOGIN REPLICATION'), hba('local  replication  {role}  peer'), reload],
  },
  'password-wrong': {
    cause: 'the password of {role} is missing or wrong: {passfile} of the user {owner} holds it',
    steps: [
      sql("ALTER ROLE {role} PASSWORD '…';"),
      note('write the line  {passEntry}:…  into {passfile}, mode 0600, with the same password'),
    ],
  },
  'database-missing': {
    cause: 'the database that {key} names does not exist at {where}',
    steps: [setting('{key} = {better}')],
  },
  'no-replication-right': {
    cause: 'the role {role} lacks the attribute REPLICATION',
    steps: [sql('ALTER ROLE {role} REPLICATION;')],
  },
  'no-sender-free': {
    cause: 'all WAL sender processes of PostgreSQL are in use: max_wal_senders must allow a receiver and a backup',
    steps: [sql("ALTER SYSTEM SET max_wal_senders = '{senders}';"), restart],
  },
  'no-connection-free': {
    cause:
      'PostgreSQL accepts no more connections of {role}: max_connections, or the limit of the role or the database, is reached',
    steps: [note('end sessions that nobody needs (pg_stat_activity), or raise the limit that the message names')],
  },
  'server-too-old': {
    cause: 'the server is older than PostgreSQL 9.6',
    steps: [note('upgrade PostgreSQL: 9.6 is the oldest release that pgcellar backs up')],
  },
  'no-connection': {
    cause: '{reason}',
    steps: [note('try it by hand, as {owner}:  psql "{psql}"  and look into the log of PostgreSQL')],
  },
  'backup-functions': {
    cause: 'the role {role} may not call the functions that a backup needs',
    steps: [
      monitor,
      sql(
        'GRANT EXECUTE ON FUNCTION pg_backup_start(text, boolean), pg_backup_stop(boolean), pg_switch_wal(), pg_create_restore_point(text) TO {role};',
      ),
      sql('GRANT pg_checkpoint TO {role};'),
    ],
  },
  'backup-functions-until-14': {
    cause: 'the role {role} may not call the functions that a backup needs (their names until PostgreSQL 14)',
    steps: [
      monitor,
      sql(
        'GRANT EXECUTE ON FUNCTION pg_start_backup(text, boolean, boolean), pg_stop_backup(), pg_stop_backup(boolean, boolean), pg_switch_wal(), pg_create_restore_point(text) TO {role};',
      ),
    ],
  },
  'monitoring-functions': { cause: 'the role {role} may not read settings and statistics', steps: [monitor] },
  'wal-level-minimal': {
    cause: 'wal_level is minimal: the WAL does not hold what a restore needs',
    steps: [sql("ALTER SYSTEM SET wal_level = 'replica';"), restart],
  },
  'ssh-not-listening': {
    cause: 'no ssh server answers at {address} port {port}: sshd is down, or host and port of ssh_command are wrong',
    steps: [host('systemctl', 'start', 'ssh')],
  },
  'ssh-host-unknown': {
    cause: 'the host key of {address} is in none of the known_hosts files of {owner}',
    steps: [
      decision(shell('sh', '-c', 'ssh-keyscan -p "$1" "$2" >> "$3"', 'sh', '{port}', '{address}', '{knownHosts}')),
      note('compare the keys before you trust the host:  ssh-keygen -lf {knownHosts}  here with'),
      note('for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $key; done  on that host'),
    ],
  },
  'ssh-fails': {
    cause: 'the host of PostgreSQL cannot be reached by ssh_command: it does not answer, or no key of {owner} is accepted',
    steps: [
      note('run as {owner}; it must not ask for anything:  {command} true'),
      note('if it asks for a password, ssh-copy-id copies the key; if there is no key, ssh-keygen makes one'),
    ],
  },
  'ssh-noisy': {
    cause: 'the start-up files of the shell on that host print text, which breaks rsync',
    steps: [
      note('in the home folder of the user that ssh_command logs in as, where bash is its shell:'),
      host('sed', '-i', '1i case $- in *i*) ;; *) return ;; esac', '.bashrc'),
    ],
  },
  'label-left': {
    cause: 'with {path}, PostgreSQL treats the data directory as a restored backup, and may not start after a crash',
    steps: [
      host('rm', '{path}'),
      note('only where the server crashed during an exclusive backup, not where a backup was restored'),
    ],
  },
  'pgdata-unreadable': {
    cause: 'this user may not read {folder}, whose files local-rsync copies',
    steps: [
      note('run backups as the user of PostgreSQL, on its host; if that is impossible, let PostgreSQL send the files:'),
      setting('backup_method = postgres'),
    ],
  },
  'exclusive-impossible': {
    cause: 'an exclusive backup needs a primary of PostgreSQL 14 or older',
    steps: [setting('backup_options = concurrent_backup')],
  },
  'primary-conninfo-needless': {
    cause: 'conninfo reaches a primary, and primary_conninfo is for backups of a standby',
    steps: [setting('primary_conninfo =')],
  },
  'primary-conninfo-wrong': {
    cause: 'primary_conninfo does not reach the primary of the standby that conninfo reaches',
    steps: [setting('primary_conninfo = {primary}')],
  },
  'connections-differ': {
    cause: '{key} and {other} reach two servers',
    steps: [setting('{key} = {better}')],
  },
  'another-cluster': {
    cause:
      'the catalog at {folder} belongs to the cluster with the system identifier {stored}, and the server that answers has {found}: one catalog is for one cluster',
    steps: [
      note('give the new cluster a section of its own: rename [{server}] to [{server}-new] in {file}; the old backups stay'),
    ],
  },
  'slot-unknown': {
    cause: 'without a connection it is unknown whether PostgreSQL has the slot',
    steps: [note('repair the check "PostgreSQL" first: this one depends on it')],
  },
  'slot-missing': {
    cause: 'PostgreSQL has no replication slot {slot}',
    steps: [own('receive-wal', '--create-slot', '{server}'), startReceiver],
  },
  'slot-logical': {
    cause: 'the slot {slot} is a logical slot of another program: a receiver streams from a physical slot',
    steps: [setting('slot_name = {slot}_wal'), startReceiver],
  },
  'slot-lost': {
    cause: '{reason}',
    steps: [
      note('{loss}'),
      own('receive-wal', '--drop-slot', '{server}'),
      own('receive-wal', '--create-slot', '{server}'),
      own('receive-wal', '--reset', '{server}'),
      startReceiver,
      note(
        'max_slot_wal_keep_size limits the WAL that PostgreSQL keeps for a slot: it was too small for the time without a receiver',
      ),
    ],
  },
  'slot-unreserved': {
    cause:
      'no receiver streams from the slot {slot}, and PostgreSQL removes WAL that it needs at the next checkpoint: max_slot_wal_keep_size is exceeded',
    steps: [startReceiver],
  },
  'slot-idle': { cause: 'no receiver streams from the slot {slot}', steps: [startReceiver] },
  'slot-other': {
    cause: 'a receiver runs, but it streams from another slot than {slot}: it was started before slot_name was changed',
    steps: [own('terminate-process', '{server}', 'receive-wal'), startReceiver],
  },
  'receiver-stopped': {
    cause: 'no receiver runs; cron starts it, and the log gives the reason why it ended',
    steps: [startReceiver],
  },
  'receiver-waits': {
    cause: 'a receiver cannot stream from a server that does not answer; cron starts it again once the server does',
    steps: [note('repair the checks "PostgreSQL" and "PostgreSQL streaming" first: this one depends on them')],
  },
  'receiver-stuck': {
    cause: 'the receiver cannot continue: {reason}',
    steps: [note('it begins again at {restart}; {loss}'), own('receive-wal', '--reset', '{server}'), startReceiver],
  },
  'receiver-ahead': {
    cause: 'the receiver cannot continue: {streaming} holds WAL that the server does not have',
    steps: [
      note(
        'a standby that lags gets it: then wait. Where the server was set back (pg_resetwal, an older copy) without a new timeline,',
      ),
      note('the archive has other WAL under the same names: give this server a section and a catalog of its own'),
    ],
  },
  'folder-blocked': {
    cause: 'a file stands where the folder {folder} has to be',
    steps: [shell('mv', '{blocker}', '{blocker}.moved'), shell('mkdir', '-p', '{folder}')],
  },
  'folder-forbidden': {
    cause: 'the user {owner} may not make or enter the folder {folder}',
    steps: [root('install', '-d', '-o', '{owner}', '-m', '0750', '{folder}')],
  },
  'folder-impossible': {
    cause: 'the folder {folder} cannot be made: {reason}',
    steps: [shell('df', '-h', '{existing}'), note('free some space, or mount the file system for writing')],
  },
  'lock-folder-unusable': {
    cause: 'the folder of the lock files, barman_lock_directory, is missing or cannot be written: nothing works without it',
    steps: [shell('mkdir', '-p', '{locks}')],
  },
  'policy-unreadable': {
    cause: 'retention_policy = {policy} cannot be read, so nothing is ever deleted',
    steps: [setting('retention_policy = RECOVERY WINDOW OF 2 WEEKS')],
  },
  'backup-old': {
    cause: 'the newest backup is older than last_backup_maximum_age, or there is none',
    steps: [own('backup', '--wait', '{server}')],
  },
  'backup-small': {
    cause: 'the newest backup is smaller than last_backup_minimum_size',
    steps: [
      own('show-backup', '{server}', 'latest'),
      note('if the cluster is the right one and the backup is complete, lower the limit:'),
      setting('last_backup_minimum_size = {size}'),
    ],
  },
  'backups-few': {
    cause: 'there are fewer full backups than minimum_redundancy requires',
    steps: [own('backup', '--wait', '{server}')],
  },
  'backups-failed': {
    cause: 'the catalog has failed backups; show-backup gives the reasons',
    steps: [own('show-backup', '{server}', 'last-failed'), decision(own('delete', '{server}', '{failed}'))],
  },
  'encryption-incomplete': { cause: 'encryption = gpg lacks {missing}', steps: [setting('{settings}')] },
  'key-unusable': {
    cause: 'gpg cannot encrypt for the key {recipient}: it is not in the key ring of {owner}, or not trusted',
    steps: [
      note('gpg --import PUBLIC-KEY-FILE, as {owner}'),
      decision(
        shell(
          'sh',
          '-c',
          'gpg --batch --with-colons --fingerprint "$1" | sed -n "s/^fpr:*\\([0-9A-F]*\\):/\\1:6:/p;/^fpr/q" | gpg --batch --import-ownertrust',
          'trust',
          '{recipient}',
        ),
      ),
    ],
  },
  'store-unavailable': {
    cause: 'a folder of the server is an object store, which is not available yet',
    steps: [setting('basebackups_directory = {base}\nwals_directory = {wals}')],
  },
  'wal-old': {
    cause: 'no WAL was archived for longer than last_wal_maximum_age: a quiet server closes no segment by itself',
    steps: [own('switch-wal', '--force', '--archive', '{server}'), sql("ALTER SYSTEM SET archive_timeout = '15min';"), reload],
  },
  'wal-index-broken': {
    cause: 'the WAL index cannot be read; rebuild-xlogdb rebuilds it from the files of the archive',
    steps: [own('rebuild-xlogdb', '{server}')],
  },
  'compressor-missing': {
    cause: 'the program {program} of compression = {compression} is not installed',
    steps: [root('apt-get', 'install', '-y', '{package}')],
  },
  'filter-missing': { cause: 'compression = custom lacks {missing}', steps: [setting('{settings}')] },
  'client-missing': {
    cause: 'the client programs of PostgreSQL are not installed, or not in path_prefix and PATH',
    steps: [installClient],
  },
  'client-old': {
    cause: '{program} {found} is older than the server, which is PostgreSQL {major}',
    steps: [installClient],
  },
  'server-version-unknown': {
    cause: 'without a replication connection the release of the server is not known',
    steps: [note('repair the checks "PostgreSQL" and "PostgreSQL streaming" first: this one depends on them')],
  },
  'configuration-wrong': {
    cause: 'the server is disabled by problems in its section: {problems}',
    steps: [setting('{settings}')],
  },
  'archive-mode-off': {
    cause: 'PostgreSQL does not archive: archive_mode is {mode}',
    steps: [sql("ALTER SYSTEM SET archive_mode = 'on';"), restart],
  },
  'archive-command-missing': {
    cause: 'PostgreSQL has no archive_command, so its WAL never leaves it',
    steps: [archiveCommand, reload],
  },
  'archive-command-fails': {
    cause:
      'archive_command fails, last for {wal}; PostgreSQL keeps its WAL meanwhile, and its log gives the reason. The command is: {current}',
    steps: [decision(archiveCommand), reload, own('switch-wal', '--force', '--archive', '{server}')],
  },
  'wal-refused': {
    cause: 'rejected WAL files are in {errors}: they have a known name and other content, or are not WAL',
    steps: [
      shell('ls', '-l', '{errors}'),
      note('.duplicate, .foreign: two servers archive into one folder. After you have examined the files:'),
      decision(shell('find', '{errors}', '-mindepth', '1', '-maxdepth', '1', '-exec', 'mv', '-t', '{aside}', '{}', '+')),
    ],
  },
  'record-broken': {
    cause:
      'the record of backup {backup} cannot be read, and the backup is missing from all lists; a copy lies beside its files',
    steps: [shell('cp', '{copy}', '{record}')],
  },
  'record-lost': {
    cause: 'the record of backup {backup} cannot be read, and there is no copy: the backup is missing from all lists',
    steps: [shell('mv', '{record}', '{record}.broken'), own('backup', '--wait', '{server}')],
  },
  'wal-lost': {
    cause: 'WAL is missing between a backup and now: {hole}',
    steps: [
      note(
        'look for the files in {errors}, in pg_wal of the server and of standbys; put-wal adds them to the archive. If they are lost:',
      ),
      own('backup', '--wait', '{server}'),
      note('and if the backups before the hole are no longer needed:'),
      decision(own('delete', '{server}', '{cutOff}')),
    ],
  },
  'wal-files-lost': {
    cause: 'WAL files that the index names are gone: {range}',
    steps: [
      note('look whether {wals} is mounted, and for the files in a copy of it. If they are lost:'),
      own('rebuild-xlogdb', '{server}'),
      own('backup', '--wait', '{server}'),
    ],
  },
  'wal-file-spoiled': {
    cause: 'an archived WAL file is not the one that was archived: {file}',
    steps: [
      note('look for a whole copy (pg_wal of the server or of a standby), copy it into {arrivals}, and then:'),
      own('archive-wal', '{server}'),
      note('a copy that cannot be read gives way to it. If there is none:'),
      own('rebuild-xlogdb', '{server}'),
      own('backup', '--wait', '{server}'),
    ],
  },
  'backup-files-lost': {
    cause: 'the files of backup {backup} are gone, but its record exists',
    steps: [
      note('look whether {base} is mounted, and for the files in a copy of it. If they are lost:'),
      decision(own('delete', '{server}', '{backup}')),
    ],
  },
  'cluster-not-followed': {
    cause: '{reason}',
    steps: [note('{advice}'), own('show-cluster', '{server}')],
  },
  'switch-lost-wal': {
    cause: 'WAL was lost when the primary changed: {loss}',
    steps: [
      own('show-cluster', '--history', '{server}'),
      own('backup', '--wait', '{server}'),
      note('and when the owners of the lost data know about it:'),
      decision(own('show-cluster', '--acknowledge', '{server}')),
    ],
  },
  'util-linux-missing': {
    cause: '{missing} cannot be found; pgcellar needs both for every lock and every program',
    steps: [root('apt-get', 'install', '-y', 'util-linux')],
  },
  'option-unavailable': {
    cause: 'the section uses options that are not available yet: {asked}',
    steps: [setting('{settings}')],
  },
  'check-slow': {
    cause: 'the check {current} did not finish in time: PostgreSQL hangs, is far away, or the disk is busy',
    steps: [own('check', '--check-timeout', '300', '{server}'), setting('check_timeout = 300')],
  },
  unreadable: {
    cause: '{reason}',
    steps: [note('{advice}')],
  },
} as const satisfies Readonly<Record<string, Omit<Remedy, 'key'>>>;

/** Names a remedy. */
export type RemedyKey = keyof typeof table;

/** A remedy for the case at hand. */
export interface NamedRemedy {
  readonly key: RemedyKey;
  readonly values: RemedyValues;
  /** The server that its SQL is for. */
  readonly over: QueryOption;
}

/** Names what mends a failure; a test fills each placeholder. */
export function mendedBy(key: RemedyKey, values: RemedyValues = {}, over: QueryOption = 'conninfo'): NamedRemedy {
  return { key, values, over };
}

/** Every remedy, in the order of the checks. */
export const allRemedies: readonly Remedy[] = Object.entries(table).map(([key, remedy]) => ({ key, ...remedy }));

/** The remedy of that name, its placeholders open. */
export function remedyOf(key: RemedyKey): Remedy {
  return { key, ...table[key] };
}
