// Bad input is one line and perhaps a hint: what is wrong, where, what to do; the exit code as documented; no stack trace, no
// secret, and nothing changed on disk (product.md section 7, promise 6).
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, chown, lstat, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeEachPostgres } from '../helpers/installations.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import type { ProgramResult } from '../helpers/run-program.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { createTestHome, type IniSection, type TestHome } from '../helpers/test-home.ts';
import { recordPath, writeCatalog, writeManifest, writtenBackups } from '../helpers/write-catalog.ts';

/** Stands in every configuration, and must be seen nowhere. */
const secret = 'hush-4711-hush';
const { weekly, firstTwin, secondTwin, failed } = writtenBackups;
const missingSegment = '000000010000000000000009';
const presentSegment = '000000010000000000000003';

interface Case {
  readonly title: string;
  /** `{folder}` is the folder around the home. */
  readonly words: readonly string[];
  /** What is wrong, done to a good home with the server `main` and a catalog. */
  readonly setUp?: (home: TestHome) => Promise<unknown>;
  /** Runs as the user of PostgreSQL, which root can keep out of files. */
  readonly owner?: 'self' | 'server';
  readonly env?: (home: TestHome) => NodeJS.ProcessEnv;
  /** False leaves `-c` out. */
  readonly config?: boolean;
  readonly stdin?: () => Buffer | Promise<Buffer>;
  /** 1 unless it says otherwise. */
  readonly exitCode?: 0 | 1 | 2 | 3 | 200;
  /** What the line of the failure says after `ERROR: `, or after `PROGRAM VERB: error: ` for wrong usage. */
  readonly says: RegExp;
  readonly hint?: RegExp;
  /** What goes to standard output all the same; nothing unless it says otherwise. */
  readonly prints?: RegExp;
}

const configurationCases: readonly Case[] = [
  {
    title: 'a configuration file that does not exist',
    words: ['-c', '{folder}/none.conf', 'list-servers'],
    config: false,
    says: /configuration file {folder}\/none\.conf of -c does not exist/,
    hint: /-c/,
  },
  {
    title: 'an environment variable that names no file',
    words: ['list-servers'],
    config: false,
    env: (home) => ({ PGCELLAR_CONFIG_FILE: join(home.folder, 'none.conf') }),
    says: /{folder}\/none\.conf of PGCELLAR_CONFIG_FILE does not exist/,
  },
  {
    title: 'the other environment variable that names no file',
    words: ['list-servers'],
    config: false,
    env: (home) => ({ BARMAN_CONFIG_FILE: join(home.folder, 'none.conf') }),
    says: /{folder}\/none\.conf of BARMAN_CONFIG_FILE does not exist/,
  },
  {
    title: 'a configuration file that may not be read',
    words: ['list-servers'],
    owner: 'server',
    setUp: async (home) => forbid(home.configFile),
    says: /{folder}\/barman\.conf \(EACCES\)/,
    hint: /user/,
  },
  {
    title: 'a folder as configuration file',
    words: ['-c', '{folder}', 'list-servers'],
    config: false,
    says: /{folder} \(EISDIR\)/,
  },
  {
    title: 'text before the first section',
    words: ['list-servers'],
    setUp: async (home) => prefix(home.configFile, `password = ${secret}\n`),
    says: /{folder}\/barman\.conf:1: text before the first \[section\]/,
    hint: /\[barman\]/,
  },
  {
    title: 'a line without delimiter, which may be a piece of a connection string',
    words: ['list-servers'],
    setUp: async (home) => home.writeFile('barman.d/main.conf', `[main]\nconninfo\nhost password ${secret}\n`),
    says: /{folder}\/barman\.d\/main\.conf:2: this line is not "key = value": conninfo/,
    hint: /key = value/,
  },
  {
    title: 'a line without delimiter that holds a password',
    words: ['list-servers'],
    setUp: async (home) => home.writeFile('barman.d/main.conf', `[main]\nhost password ${secret}\n`),
    says: /{folder}\/barman\.d\/main\.conf:2: this line is not "key = value": host password…/,
  },
  {
    title: 'both names of the global section',
    words: ['list-servers'],
    setUp: async (home) => home.writeFile('barman.d/second.conf', '[pgcellar]\nbarman_home = /srv/other\n'),
    says: /{folder}\/barman\.d\/second\.conf:1: both \[barman\] and \[pgcellar\]/,
    hint: /keep one/,
  },
  {
    title: 'no global section',
    words: ['list-servers'],
    setUp: async (home) => home.writeFile('barman.conf', '[main]\ndescription = alone\n'),
    says: /{folder}\/barman\.conf has no \[barman\] section/,
    hint: /barman_home/,
  },
  {
    title: 'no barman_home',
    words: ['list-servers'],
    setUp: async (home) => home.writeFile('barman.conf', '\n[barman]\nbarman_user = root\n'),
    says: /{folder}\/barman\.conf:2: barman_home is missing in \[barman\]/,
  },
  {
    title: 'a server named all',
    words: ['list-servers'],
    setUp: async (home) => home.writeFile('barman.d/two.conf', '\n\n[all]\ndescription = every\n'),
    says: /{folder}\/barman\.d\/two\.conf:3: .*'all'/,
    hint: /rename/,
  },
  {
    title: 'a server whose name is a way out of the home',
    words: ['list-servers'],
    setUp: async (home) => home.writeFile('barman.d/two.conf', '[../other]\ndescription = elsewhere\n'),
    says: /{folder}\/barman\.d\/two\.conf:1: .*"\.\.\/other"/,
    hint: /rename/,
  },
  {
    title: 'an included file that changes the global section',
    words: ['list-servers'],
    setUp: async (home) => home.writeFile('barman.d/two.conf', '[barman]\nbarman_home = /srv/other\n'),
    says: /{folder}\/barman\.d\/two\.conf:2: an included file must not change barman_home of \[barman\]/,
    hint: /main file/,
  },
  {
    title: 'an included file that may not be read',
    words: ['list-servers'],
    owner: 'server',
    setUp: async (home) => forbid(join(home.folder, 'barman.d/main.conf')),
    says: /{folder}\/barman\.d\/main\.conf \(EACCES\)/,
  },
  {
    title: 'a folder of included files that may not be read',
    words: ['list-servers'],
    owner: 'server',
    setUp: async (home) => forbid(join(home.folder, 'barman.d')),
    says: /the folder {folder}\/barman\.d \(EACCES\)/,
    hint: /configuration_files_directory/,
  },
  {
    title: 'a user that is somebody else',
    words: ['list-servers'],
    owner: 'server',
    setUp: async (home) => home.writeGlobal({ barman_user: 'root' }),
    says: /please run as user 'root'/,
    hint: /barman_user/,
  },
  {
    title: 'a user that does not exist',
    words: ['list-servers'],
    setUp: async (home) => home.writeGlobal({ barman_user: 'nobody-has-this-name' }),
    says: /user 'nobody-has-this-name'/,
    hint: /barman_user/,
  },
  {
    title: 'two folders of one server that are the same',
    words: ['backup', 'main'],
    setUp: async (home) => configure(home, { errors_directory: home.server('main', 'incoming') }),
    says: /server 'main': errors_directory and incoming_wals_directory are the same folder, {folder}\/home\/main\/incoming/,
  },
  {
    title: 'a folder that two servers use',
    words: ['list-backups', 'main'],
    setUp: async (home) => home.writeServer('two', { ...aServer(), wals_directory: home.server('main', 'wals') }),
    says: /wals_directory of server 'main' and wals_directory of server 'two' are the same folder, {folder}\/home\/main\/wals/,
  },
  {
    title: 'a connection string that cannot be read',
    words: ['backup', 'main'],
    setUp: async (home) => configure(home, { conninfo: `host=127.0.0.1 password=${secret} and more` }),
    says: /server 'main': conninfo cannot be read: /,
  },
  {
    title: 'a server without connection string',
    words: ['switch-wal', 'main'],
    setUp: async (home) => home.writeFile('barman.d/main.conf', '[main]\nbackup_method = postgres\narchiver = on\n'),
    says: /server 'main': conninfo is missing/,
  },
  {
    title: 'a stream of WAL without slot',
    words: ['receive-wal', 'main'],
    setUp: async (home) => configure(home, { slot_name: undefined }),
    says: /server 'main': slot_name is missing/,
  },
  {
    title: 'a backup method without what it needs',
    words: ['backup', 'main'],
    setUp: async (home) => configure(home, { backup_method: 'rsync', backup_options: 'concurrent_backup' }),
    says: /server 'main': ssh_command is missing; it is required with backup_method = rsync/,
  },
  {
    title: 'a backup method that is not available yet',
    words: ['backup', 'main'],
    setUp: async (home) =>
      configure(home, {
        backup_method: 'snapshot',
        backup_options: 'concurrent_backup',
        ssh_command: 'ssh host',
        snapshot_disks: 'disk',
        snapshot_instance: 'instance',
        snapshot_provider: 'gcp',
      }),
    says: /backup_method = snapshot of server 'main' is not available yet/,
    hint: /backup_method = postgres/,
  },
  {
    title: 'a backup option that is not available yet',
    words: ['backup', 'main'],
    setUp: async (home) => configure(home, { aws_snapshot_lock_mode: 'governance' }),
    says: /aws_snapshot_lock_mode = governance of server 'main' is not available yet/,
  },
];

const commandLineCases: readonly Case[] = [
  usage('an unknown verb', ['frobnicate'], /'frobnicate' is not a command/),
  usage('an abbreviated verb', ['list-ser'], /'list-ser' is not a command/),
  usage('an unknown option', ['list-backups', '--frobnicate', 'main'], /'--frobnicate'/),
  usage('an unknown letter', ['list-backups', '-y', 'main'], /'-y'/),
  usage(
    'an ambiguous abbreviation',
    ['restore', '--target-t', '1', 'main', 'latest', '/srv/x'],
    /ambiguous option: --target-t/,
  ),
  usage('a server that is not named', ['backup'], /required: server_name$/m),
  usage('a backup that is not named', ['show-backup', 'main'], /required: backup_id$/m),
  usage('one argument too many', ['show-backup', 'main', 'latest', 'more'], /too many arguments/),
  usage('an option without its value', ['backup', 'main', '--name'], /--name/),
  usage('a value for a flag', ['list-backups', '--minimal=yes', 'main'], /--minimal/),
  usage('a negative number', ['backup', '--bwlimit', '-1', 'main'], /--bwlimit.*'-1'.*non negative integer/),
  usage('a number with letters', ['backup', '--wait-timeout=1h', 'main'], /--wait-timeout.*'1h'/),
  usage('zero where one is the least', ['get-wal', '--peek', '0', 'main', presentSegment], /--peek.*'0'.*positive integer/),
  usage('an unknown choice', ['list-files', '--target', 'some', 'main', 'latest'], /--target.*'some'.*'standalone'/),
  usage(
    'a timeline that is no number',
    ['restore', '--target-tli', 'newest', 'main', 'latest', '/srv/x'],
    /--target-tli.*'newest'/,
  ),
  usage('a global option after the verb', ['list-servers', '-q'], /'-q'/),
  usage('an unknown global option', ['--frobnicate', 'list-servers'], /--frobnicate/),
  usage('a global option without its value', ['-f'], /-f\/--format/),
  usage('an unknown output format', ['-f', 'xml', 'list-servers'], /-f\/--format.*'xml'.*'console', 'json'/),
  usage('a log level in small letters', ['--log-level', 'debug', 'list-servers'], /--log-level.*'debug'.*DEBUG/),
  usage('an empty backup name', ['backup', '--name', ' ', 'main'], /--name: .*empty/),
  usage('a reserved backup name', ['backup', '--name', 'latest', 'main'], /--name: Backup name 'latest' is not allowed/),
  usage('a backup name that looks like an id', ['backup', '--name', weekly, 'main'], /--name: .*backup id/),
  usage('a backup name of two lines', ['backup', '--name', 'a\nb', 'main'], /--name: .*one line/),
  {
    title: 'a staging path that is not absolute',
    words: ['restore', '--staging-path', 'x', 'main', 'latest', '/srv/x'],
    says: /--staging-path.*'x'/,
  },
  { title: 'stop and reset together', words: ['receive-wal', '--stop', '--reset', 'main'], says: /--stop and --reset/ },
  {
    title: 'a verb that is not available yet',
    words: ['sync-info', 'main'],
    says: /sync-info is not available yet in pgcellar/,
    hint: /Barman/,
  },
  {
    title: 'a backup option of the command line that is not available yet',
    words: ['backup', '--cloud-staging-directory', '/srv/x', 'main'],
    says: /backup --cloud-staging-directory is not available yet/,
  },
  {
    title: 'a restore option that is not available yet',
    words: ['restore', '--snapshot-recovery-instance', 'vm', 'main', 'latest', '{folder}/new'],
    says: /--snapshot-recovery-instance is not available yet/,
  },
];

const nameCases: readonly Case[] = [
  { title: 'an unknown server', words: ['show-backup', 'other', 'latest'], says: /Unknown server 'other'/ },
  {
    title: 'an unknown server among others',
    words: ['list-backups', '--minimal', 'other', 'main'],
    says: /Unknown server 'other'/,
    prints: new RegExp(`^${failed}\n${secondTwin}\n${firstTwin}\n${weekly}\n$`),
  },
  { title: 'a server that is a way out of the home', words: ['list-backups', '../main'], says: /Unknown server '\.\.\/main'/ },
  { title: 'all for a verb of one server', words: ['show-backup', 'all', 'latest'], says: /'all' in a single server context/ },
  {
    title: 'all and a name',
    words: ['list-backups', '--minimal', 'all', 'main'],
    says: /'all' with other server names/,
    prints: new RegExp(weekly),
  },
  {
    title: 'WAL for a server that is switched off',
    words: ['put-wal', 'main'],
    setUp: async (home) => configure(home, { active: false }),
    says: /Inactive server: main/,
  },
  {
    title: 'an unknown backup id',
    words: ['show-backup', 'main', '20200101T000000'],
    says: /Unknown backup '20200101T000000' for server 'main'/,
    hint: /list-backups main/,
  },
  {
    title: 'a backup id that is a way out of the catalog',
    words: ['list-files', 'main', '../../main/base/20240301T020000'],
    says: /Unknown backup '\.\.\/\.\.\/main\/base\/20240301T020000' for server 'main'/,
  },
  {
    title: 'a way out of the catalog to delete',
    words: ['delete', 'main', '../../../user'],
    says: /Unknown backup '\.\.\/\.\.\/\.\.\/user' for server 'main'/,
  },
  { title: 'an unknown backup name', words: ['delete', 'main', 'monthly'], says: /Unknown backup 'monthly' for server 'main'/ },
  {
    title: 'a name that two backups have',
    words: ['show-backup', 'main', 'twin'],
    says: new RegExp(`'twin' for server 'main'.*${firstTwin}, ${secondTwin}`),
  },
  {
    title: 'the latest of no backups',
    words: ['show-backup', 'main', 'latest'],
    setUp: async (home) => {
      for (const folder of ['meta', 'base']) await rm(home.server('main', folder), { recursive: true });
    },
    says: /Unknown backup 'latest' for server 'main'/,
  },
  {
    title: 'a WAL name that is a way out of the archive',
    words: ['get-wal', 'main', '../../../etc/passwd'],
    exitCode: 3,
    says: /'\.\.\/\.\.\/\.\.\/etc\/passwd'/,
  },
  {
    title: 'a WAL name with a wrong letter',
    words: ['get-wal', 'main', '00000001000000000000000G'],
    exitCode: 3,
    says: /'0+1.*G'/,
  },
  { title: 'a WAL name that is too short', words: ['get-wal', '--peek', '3', 'main', '0000'], exitCode: 3, says: /'0000'/ },
  {
    title: 'a WAL file that is not there',
    words: ['get-wal', 'main', missingSegment],
    says: new RegExp(`WAL file '${missingSegment}' not found in server 'main'`),
  },
  {
    title: 'a WAL file into a folder that is not there',
    words: ['get-wal', '-o', '{folder}/none', 'main', presentSegment],
    exitCode: 3,
    says: new RegExp(`{folder}/none/${presentSegment}: ENOENT`),
    hint: /folder/,
  },
  {
    title: 'a missing WAL file into a folder',
    words: ['get-wal', '-o', '{folder}/user', 'main', missingSegment],
    says: new RegExp(`WAL file '${missingSegment}' not found in server 'main'`),
  },
  {
    title: 'two wishes for the form of a WAL file',
    words: ['get-wal', '--keep-compression', '--gzip', 'main', presentSegment],
    says: /--keep-compression.*--gzip/,
  },
];

const streamCases: readonly Case[] = [
  stream('no WAL at all', () => Buffer.alloc(0), /standard input is empty/),
  stream('something else than a tar stream', () => Buffer.from('WAL '.repeat(400)), /tar stream on standard input is damaged/),
  stream(
    'a tar stream that was cut off',
    async () => (await tarOf({ [missingSegment]: 'x'.repeat(5000), SHA256SUMS: '' })).subarray(0, 3000),
    /tar stream on standard input is damaged/,
  ),
  stream(
    'a file name that leads out of the folder',
    async () => await tarOf({ '../evil': 'x', SHA256SUMS: sumsOf({ '../evil': 'x' }) }),
    /"\.\.\/evil"/,
  ),
  stream('an absolute file name', async () => await tarOf({ '/tmp/evil': 'x' }), /"\/tmp\/evil"/),
  stream(
    'a link instead of a file',
    async () => await tarWithLink(missingSegment),
    new RegExp(`'${missingSegment}'.*not a regular file`),
  ),
  stream(
    'WAL that was damaged on its way',
    async () => await tarOf({ [missingSegment]: 'x', SHA256SUMS: sumsOf({ [missingSegment]: 'y' }) }),
    new RegExp(`checksum of '${missingSegment}' does not match`),
  ),
  stream(
    'WAL without checksum',
    async () => await tarOf({ [missingSegment]: 'x' }),
    new RegExp(`'${missingSegment}' came without a checksum`),
  ),
  stream(
    'a checksum without WAL',
    async () => await tarOf({ SHA256SUMS: sumsOf({ [missingSegment]: 'x' }) }),
    new RegExp(`names '${missingSegment}'.*not in the tar stream`),
  ),
];

const catalogCases: readonly Case[] = [
  brokenRecord(
    'a record with a key that is none',
    (text) => `${text}the colour=red\n`,
    /:\d+: not a key of a backup record: the colour/,
  ),
  brokenRecord(
    'a record with an end that no backup reaches',
    (text) => text.replace(/^end_wal=.*$/m, `end_wal=${'F'.repeat(24)}`),
    /: no backup can have end_wal=F{24}/,
  ),
  brokenRecord(
    'a record with a line that is no pair',
    (text) => `half a line\n${text}`,
    /:1: a line of a backup record must be "key=value"/,
  ),
  brokenRecord(
    'a record with a time that is none',
    (text) => text.replace(/^begin_time=.*$/m, 'begin_time=yesterday'),
    /:\d+: begin_time cannot be read: yesterday/,
  ),
  brokenRecord('a record without status', (text) => text.replace('status=DONE', 'status=None'), /:\d+: status cannot be None/),
  brokenRecord(
    'a record with an unknown status',
    (text) => text.replace('status=DONE', 'status=FINE'),
    /:\d+: status cannot be read: FINE/,
  ),
  {
    title: 'a broken record among good ones',
    words: ['list-backups', '--minimal', 'main'],
    setUp: async (home) => patchRecord(home, (text) => `${text}the colour=red\n`),
    says: new RegExp(`${weekly}-backup\\.info:\\d+: not a key of a backup record: the colour`),
    prints: new RegExp(`^${failed}\n${secondTwin}\n${firstTwin}\n$`),
  },
  {
    title: 'a broken record where WAL would go with a backup',
    words: ['delete', 'main', firstTwin],
    setUp: async (home) => patchRecord(home, (text) => `${text}the colour=red\n`),
    says: new RegExp(`${weekly}-backup\\.info:\\d+: not a key of a backup record: the colour`),
  },
  {
    title: 'a record that may not be read',
    words: ['show-backup', 'main', weekly],
    owner: 'server',
    setUp: async (home) => forbid(recordPath(home, 'main', weekly)),
    says: new RegExp(`{folder}/home/main/meta/${weekly}-backup\\.info: EACCES`),
    hint: /barman_user/,
  },
  {
    title: 'a line of the WAL index that is none',
    words: ['list-backups', 'main'],
    setUp: async (home) => prefix(home.server('main', 'wals', 'main-xlog.db'), 'not a line of it\n'),
    says: /{folder}\/home\/main\/wals\/main-xlog\.db:1: /,
    hint: /move the file away/,
  },
  {
    title: 'a home that may not be entered',
    words: ['list-backups', 'main'],
    owner: 'server',
    setUp: async (home) => forbid(home.path),
    says: /{folder}\/home\S* .*EACCES|{folder}\/home\S*: EACCES/,
  },
  {
    title: "a server's folder that may not be entered",
    words: ['list-backups', 'main'],
    owner: 'server',
    setUp: async (home) => forbid(home.server('main')),
    says: /{folder}\/home\/main\S* .*EACCES|{folder}\/home\/main\S*: EACCES/,
  },
  {
    title: 'a folder of arriving WAL that may not be written',
    words: ['put-wal', 'main'],
    owner: 'server',
    stdin: async () => await tarOf({ [missingSegment]: 'x', SHA256SUMS: sumsOf({ [missingSegment]: 'x' }) }),
    setUp: async (home) => forbid(home.server('main', 'incoming')),
    says: /EACCES.*{folder}\/home\/main\/incoming/,
  },
  {
    title: 'a folder of arriving WAL that may not be listed',
    words: ['archive-wal', 'main'],
    owner: 'server',
    setUp: async (home) => forbid(home.server('main', 'streaming')),
    says: /{folder}\/home\/main\/streaming.*EACCES/,
  },
  {
    title: 'a folder of locks that is not there',
    words: ['list-backups', 'main'],
    setUp: async (home) => home.writeGlobal({ barman_lock_directory: join(home.folder, 'none') }),
    says: /lock file {folder}\/none\/\.main-\S+: ENOENT/,
    hint: /barman_lock_directory/,
  },
  {
    title: 'a stored WAL file that is cut off',
    words: ['get-wal', 'main', presentSegment],
    setUp: async (home) => writeFile(home.server('main', 'wals', '0000000100000000', presentSegment), gzipHead()),
    exitCode: 200,
    says: new RegExp(presentSegment),
  },
];

const restoreCases: readonly Case[] = [
  restore('a destination that is not empty', ['main', 'latest', '{folder}/home'], /{folder}\/home/, { hint: /./ }),
  restore(
    'a destination with a hidden file',
    ['main', 'latest', '{folder}/user'],
    /{folder}\/user is not empty: it has \.pgpass/,
    {
      setUp: async (home) => home.writeFile('user/.pgpass', 'x'),
    },
  ),
  restore('a destination that is a file', ['main', 'latest', '{folder}/barman.conf'], /{folder}\/barman\.conf/),
  restore(
    'a destination in the catalog',
    ['main', 'latest', '{folder}/home/main/base/new'],
    /{folder}\/home\/main\/base\/new lies in the catalog of server 'main'/,
  ),
  restore(
    'a destination that goes round into the catalog',
    ['main', 'latest', '{folder}/user/../home/main/new'],
    /{folder}\/home\/main\/new lies in the catalog/,
  ),
  restore('a destination on another host', ['main', 'latest', 'host:/srv/x'], /':'/),
  restore('a failed backup', ['main', failed, '{folder}/new'], new RegExp(`'${failed}' of server 'main': .*status`), {
    hint: /FAILED/,
  }),
  restore('an unknown backup', ['main', 'monthly', '{folder}/new'], /Unknown backup 'monthly' for server 'main'/),
  restore(
    'a time before the end of the backup',
    ['--target-time', '2024-03-01 02:00:05+00', 'main', weekly, '{folder}/new'],
    /target time 2024-03-01 02:00:05\+00:00 is before the backup end time 2024-03-01 02:00:10\+00:00/,
    { hint: /./ },
  ),
  restore(
    'a time in the future',
    ['--target-time', '2999-01-01 00:00:00+00', 'main', weekly, '{folder}/new'],
    /2999-01-01 00:00:00\+00:00 lies in the future/,
  ),
  restore(
    'a position before the end of the backup',
    ['--target-lsn', '0/2000050', 'main', weekly, '{folder}/new'],
    new RegExp(`0/2000050 is before the end of backup ${weekly} at 0/2000100`),
  ),
  restore(
    'a position after the last WAL',
    ['--target-lsn', '5/0', 'main', weekly, '{folder}/new'],
    /5\/0 lies after the last archived WAL segment 000000010000000000000008/,
  ),
  restore('an unknown timeline', ['--target-tli', '7', 'main', weekly, '{folder}/new'], /timeline 7 is not in the archive/),
  restore(
    'two targets together',
    ['--target-time', '2024-03-02 00:00:00+00', '--target-xid', '800', 'main', weekly, '{folder}/new'],
    /multiple targets/,
  ),
  restore('a time that is none', ['--target-time', 'tea time', 'main', weekly, '{folder}/new'], /'tea time'/, {
    hint: /2026-01-31/,
  }),
  restore(
    'a transaction that is none',
    ['--target-xid', '0x12', 'main', weekly, '{folder}/new'],
    /'0x12' is not a transaction id/,
  ),
  restore('a position that is none', ['--target-lsn', '12', 'main', weekly, '{folder}/new'], /'12' is not an LSN/),
  restore(
    'an empty name of a restore point',
    ['--target-name', '', 'main', weekly, '{folder}/new'],
    /restore point cannot be empty/,
  ),
  restore('a restore point with a newline', ['--target-name', 'a\nb', 'main', weekly, '{folder}/new'], /control characters/),
  restore(
    'an action without target',
    ['--target-action', 'promote', 'main', weekly, '{folder}/new'],
    /recovery target action when PITR is not required/,
  ),
  restore(
    'no backup for a target',
    ['--target-time', '2024-02-01 00:00:00+00', 'main', 'auto', '{folder}/new'],
    /candidate backup of server 'main'/,
  ),
  restore('a transaction without backup', ['--target-xid', '800', 'main', 'auto', '{folder}/new'], /'auto'/, {
    hint: /name a backup/,
  }),
  restore('a tablespace rule that is none', ['--tablespace', 'fast', 'main', weekly, '{folder}/new'], /NAME:LOCATION: 'fast'/),
  restore('an unknown tablespace', ['--tablespace', 'slow:/srv/slow', 'main', weekly, '{folder}/new'], /'slow'/, {
    hint: /fast/,
  }),
  restore(
    'a tablespace name that is a path',
    ['--tablespace', '../../x:/srv/slow', 'main', weekly, '{folder}/new'],
    /'\.\.\/\.\.\/x'/,
  ),
  restore(
    'a place of a tablespace that is not absolute',
    ['--tablespace', 'fast:srv/fast', 'main', weekly, '{folder}/new'],
    /tablespace fast .*srv\/fast/,
  ),
  restore(
    'a place of a tablespace in the catalog',
    ['--tablespace', 'fast:{folder}/home/main/x', 'main', weekly, '{folder}/new'],
    /tablespace fast {folder}\/home\/main\/x lies in the catalog/,
  ),
  restore(
    'a place of a tablespace that is not empty',
    ['--tablespace', 'fast:{folder}/barman.d', 'main', weekly, '{folder}/new'],
    /tablespace fast {folder}\/barman\.d/,
  ),
  restore(
    'a recovery file that is a way out of the destination',
    ['--recovery-conf-filename', '../x.conf', '--get-wal', 'main', 'latest', '{folder}/new'],
    /--recovery-conf-filename.*'\.\.\/x\.conf'/,
  ),
  restore(
    'a staging folder in the catalog',
    ['--staging-wal-directory', '{folder}/home/main/x', '--target-xid', '800', 'main', 'latest', '{folder}/new'],
    /{folder}\/home\/main\/x lies in the catalog/,
  ),
  restore(
    'a destination whose parent may not be written',
    ['main', 'latest', '{folder}/closed/new'],
    /{folder}\/closed\/new.*EACCES/,
    {
      owner: 'server',
      setUp: async (home) => forbid(await home.makeFolder('closed')),
    },
  ),
  restore(
    'a backup whose WAL is missing',
    ['main', secondTwin, '{folder}/new'],
    new RegExp(`WAL segment 000000010000000000000006 is missing.*${secondTwin}`),
    {
      setUp: async (home) => {
        const index = home.server('main', 'wals', 'main-xlog.db');
        await writeFile(index, (await readFile(index, 'utf8')).replace(/^0{7}10{15}6.*\n/m, ''));
        await rm(home.server('main', 'wals', '0000000100000000', '000000010000000000000006'));
      },
    },
  ),
  restore(
    'a backup whose files are missing',
    ['main', 'latest', '{folder}/new'],
    new RegExp(`${secondTwin} is not complete: {folder}/home/main/base/${secondTwin}/data`),
    {
      setUp: async (home) =>
        rename(home.server('main', 'base', secondTwin, 'data'), home.server('main', 'base', secondTwin, 'moved')),
    },
  ),
];

describe('the configuration', () => {
  test.each(configurationCases)('$title', async (given) => {
    await expectRefusal(given);
  });

  test.each([
    {
      title: 'an unknown option',
      lines: 'colour = red',
      says: /WARNING: Invalid configuration option "colour" in \[main\] section \({folder}\/barman\.d\/main\.conf:\d+\)/,
    },
    {
      title: 'a number that is none',
      lines: 'minimum_redundancy = many',
      says: /WARNING: .*'many' for key minimum_redundancy in \[main\] section \({folder}\/barman\.d\/main\.conf:\d+\)/,
    },
    {
      title: 'a switch that is neither on nor off',
      lines: 'immediate_checkpoint = perhaps',
      says: /WARNING: .*'perhaps' for key immediate_checkpoint in \[main\] section/,
    },
    {
      title: 'a value with a password where it does not belong',
      lines: `basebackup_retry_times = password=${secret}`,
      says: /WARNING: .*'password…' for key basebackup_retry_times/,
    },
  ])('$title is warned about, and the rest goes on', async ({ lines, says }) => {
    await using home = await aHome({});
    const path = join(home.folder, 'barman.d/main.conf');
    await writeFile(path, `${await readFile(path, 'utf8')}${lines}\n`);
    const result = await runPgcellar(['list-servers', '--minimal'], { home });
    expect(result).toMatchObject({ exitCode: 0, stdout: 'main\n' });
    expect(result.stderr.trimEnd()).toMatch(inHome(new RegExp(`^${says.source}[^\n]*$`), home));
    await expectDiscretion(result, home);
  });
});

describe('the command line', () => {
  test.each(commandLineCases)('$title', async (given) => {
    await expectRefusal(given);
  });
});

describe('names', () => {
  test.each(nameCases)('$title', async (given) => {
    await expectRefusal(given);
  });
});

describe('WAL on standard input', () => {
  test.each(streamCases)('$title', async (given) => {
    await expectRefusal(given);
  });
});

describe('the catalog', () => {
  test.each(catalogCases)('$title', async (given) => {
    await expectRefusal(given);
  });
});

describe('a restore', () => {
  test.each(restoreCases)('$title', async (given) => {
    await expectRefusal(given);
  });
});

describe('a server that is not there', () => {
  test.each<Case>([
    {
      title: 'a switch',
      words: ['switch-wal', 'main'],
      says: /127\.0\.0\.1 port 1 as barman: .*ECONNREFUSED/,
      hint: /running/,
    },
    {
      title: 'the status of its standbys',
      words: ['replication-status', 'main'],
      says: /127\.0\.0\.1 port 1 as barman: .*ECONNREFUSED/,
    },
    {
      title: 'a slot',
      words: ['receive-wal', '--create-slot', 'main'],
      says: /127\.0\.0\.1 port 1 as barman: .*ECONNREFUSED/,
    },
    { title: 'a receiver', words: ['receive-wal', 'main'], says: /127\.0\.0\.1 port 1 as barman: .*ECONNREFUSED/ },
    { title: 'a receiver to stop', words: ['receive-wal', '--stop', 'main'], says: /no such process for server main/ },
    {
      title: 'a backup',
      words: ['backup', 'main'],
      says: /start the backup of server 'main': .*PostgreSQL/,
      hint: /check main/,
    },
  ])('$title', async (given) => {
    await expectRefusal(given);
  });
});

describeEachPostgres(
  (major) => {
    let cluster: PostgresServer;

    beforeAll(async () => {
      const guarded = ['all', 'replication'].map((database) => `host ${database} guarded 127.0.0.1/32 scram-sha-256`);
      cluster = await startCluster({ major, hba: [...guarded, 'host all refused 127.0.0.1/32 reject'] });
      await cluster.query(`CREATE ROLE guarded LOGIN SUPERUSER PASSWORD '${secret}'; CREATE ROLE refused LOGIN`);
    });
    afterAll(async () => {
      await cluster[Symbol.asyncDispose]();
    });

    const conninfo = (password: string, more = 'dbname=postgres', user = 'guarded'): string =>
      `host=127.0.0.1 port=${String(cluster.port)} user=${user} password=${password} ${more}`;

    /** The good server of which one thing is changed. */
    const live = async (home: TestHome, change: Change = {}): Promise<void> => {
      const good = { conninfo: conninfo(secret), streaming_conninfo: conninfo(secret), path_prefix: cluster.clientsDir };
      await configure(home, { ...good, ...change });
      // the backups of the catalog are of this cluster
      const systemid = await cluster.value('SELECT system_identifier FROM pg_control_system()');
      for (const id of [weekly, firstTwin, secondTwin, failed]) {
        const path = recordPath(home, 'main', id);
        const record = existsSync(path) ? await readFile(path, 'utf8') : undefined;
        if (record !== undefined) await writeFile(path, record.replace(/^systemid=.*$/m, `systemid=${systemid}`));
      }
    };

    test('the good server is no bad input', async () => {
      await using home = await aHome({});
      await live(home);
      const result = await runPgcellar(['switch-wal', '--force', 'main'], { home });
      expect(result).toMatchObject({ exitCode: 0, stderr: '' });
    });

    test.each<Case>([
      {
        title: 'a wrong password',
        words: ['switch-wal', 'main'],
        setUp: async (home) => live(home, { conninfo: conninfo(`not-${secret}`) }),
        says: /127\.0\.0\.1 port \d+ as guarded: .*password authentication failed/,
        hint: /password is wrong/,
      },
      {
        title: 'a wrong password in a connection URI',
        words: ['switch-wal', 'main'],
        setUp: async (home) =>
          live(home, { conninfo: `postgresql://guarded:not-${secret}@127.0.0.1:${String(cluster.port)}/postgres` }),
        says: /127\.0\.0\.1 port \d+ as guarded: .*password authentication failed/,
      },
      {
        title: 'a wrong password of the stream',
        words: ['receive-wal', '--create-slot', 'main'],
        setUp: async (home) => live(home, { streaming_conninfo: conninfo(`not-${secret}`) }),
        says: /127\.0\.0\.1 port \d+ as guarded: .*password authentication failed/,
      },
      {
        title: 'an unknown database',
        words: ['switch-wal', 'main'],
        setUp: async (home) => live(home, { conninfo: conninfo(secret, 'dbname=nowhere') }),
        says: /as guarded: .*database "nowhere" does not exist/,
        hint: /database/,
      },
      {
        title: 'a user that the server does not let in',
        words: ['replication-status', 'main'],
        setUp: async (home) => live(home, { conninfo: conninfo(secret, 'dbname=postgres', 'refused') }),
        says: /as refused: .*pg_hba\.conf/,
        hint: /pg_hba\.conf/,
      },
      {
        title: 'a slot that is not there to drop',
        words: ['receive-wal', '--drop-slot', 'main'],
        setUp: async (home) => live(home),
        prints: /^Dropping physical replication slot 'barman' on server 'main'\n$/,
        says: /slot 'barman' does not exist/,
      },
      {
        title: 'a slot that is not there to stream from',
        words: ['receive-wal', 'main'],
        setUp: async (home) => live(home, { create_slot: 'manual' }),
        says: /slot 'barman' doesn't exist/,
        hint: /--create-slot main/,
      },
      {
        title: 'a wrong password before a backup',
        words: ['backup', 'main'],
        setUp: async (home) => live(home, { conninfo: conninfo(`not-${secret}`) }),
        says: /start the backup of server 'main': .*PostgreSQL/,
        hint: /check main/,
      },
    ])('$title', async (given) => {
      await expectRefusal(given);
    });

    const hasOwnClients = existsSync(`/usr/lib/postgresql/${String(major)}/bin/pg_basebackup`);
    test.skipIf(hasOwnClients).each<Case>([
      {
        title: 'a receiver without client program of its version',
        words: ['receive-wal', 'main'],
        setUp: async (home) => live(home, { path_prefix: '/usr/bin', slot_name: undefined, archiver: true }),
        prints: /^Starting receive-wal for server main\n$/,
        says: new RegExp(`pg_receivewal .*PostgreSQL ${String(major)}`),
        hint: /postgresql-client.*path_prefix/,
      },
      {
        title: 'a backup without client program of its version',
        words: ['backup', 'main'],
        setUp: async (home) => live(home, { path_prefix: '/usr/bin' }),
        says: /start the backup of server 'main': .*pg_basebackup compatible/,
        hint: /check main/,
      },
    ])('$title', async (given) => {
      await expectRefusal(given);
    });
  },
  [18],
);

async function expectRefusal(given: Case): Promise<void> {
  await using home = await aHome(given);
  await given.setUp?.(home);
  try {
    await expectRefusalIn(home, given);
  } finally {
    await allowAgain();
  }
}

async function expectRefusalIn(home: TestHome, given: Case): Promise<void> {
  const before = await listing(home.folder);
  const result = await run(given, home);
  expectOneMistake(result.stderr, given, home);
  expect(result).toMatchObject({ exitCode: given.exitCode ?? 1 });
  if (given.prints === undefined) expect(result.stdout).toBe('');
  else expect(result.stdout).toMatch(given.prints);
  await expectDiscretion(result, home);
  expect(await listing(home.folder)).toEqual(before);
}

/** Nothing of a stack, and nothing of a secret, in what is printed and logged. */
async function expectDiscretion({ stdout, stderr }: ProgramResult, home: TestHome): Promise<void> {
  const log = existsSync(home.logFile) ? await home.log() : '';
  for (const text of [stdout, stderr, log]) {
    expect(text).not.toContain(secret);
    expect(text).not.toMatch(/^ {4}at |^EXCEPTION/m);
  }
}

async function run({ words, env, config = true, stdin }: Case, home: TestHome): Promise<ProgramResult> {
  const filled = words.map((word) => word.replace('{folder}', home.folder));
  const input = await stdin?.();
  return await runPgcellar(filled, {
    home,
    config,
    ...(env === undefined ? {} : { env: env(home) }),
    ...(input === undefined ? {} : { input }),
  });
}

/** One line that says what is wrong and where, and one more at most: what to do, or for wrong usage how the command is used. */
function expectOneMistake(stderr: string, { says, hint, exitCode }: Case, home: TestHome): void {
  const lines = stderr.replace(/\n$/, '').split('\n');
  expect(lines.length, stderr).toBeLessThanOrEqual(2);
  const isUsage = exitCode === 2;
  const [first = '', second] = isUsage ? lines.toReversed() : lines;
  expect(first).toMatch(isUsage ? /^pgcellar( [a-z-]+)?: error: / : /^ERROR: /);
  expect(first).toMatch(inHome(says, home));
  if (isUsage) expect(second).toMatch(/^usage: pgcellar /);
  else if (second !== undefined) expect(second).toMatch(/^HINT: /);
  if (hint !== undefined) expect(second).toMatch(hint);
}

function inHome(pattern: RegExp, home: TestHome): RegExp {
  return new RegExp(pattern.source.replaceAll('{folder}', home.folder.replaceAll('.', '\\.')), pattern.flags);
}

async function aHome({ owner = 'self' }: Pick<Case, 'owner'>): Promise<TestHome> {
  const home = await createTestHome({ owner, servers: { main: aServer() } });
  await writeCatalog(home, 'main');
  // as a backup of pg_basebackup: a restore would warn of a manifest that is missing
  for (const id of [writtenBackups.weekly, writtenBackups.firstTwin, writtenBackups.secondTwin])
    await writeManifest(home, 'main', id);
  return home;
}

/** A server that is not there: nobody listens on port 1. */
function aServer(): IniSection {
  const conninfo = `host=127.0.0.1 port=1 user=barman dbname=postgres password=${secret}`;
  return {
    conninfo,
    backup_method: 'postgres',
    streaming_archiver: 'on',
    archiver: 'off',
    slot_name: 'barman',
    create_slot: 'auto',
  };
}

/** Undefined takes the option out. */
type Change = Readonly<Record<string, string | number | boolean | undefined>>;

async function configure(home: TestHome, change: Change): Promise<void> {
  const all = Object.entries({ ...aServer(), ...change });
  await home.writeServer('main', Object.fromEntries(all.filter((entry): entry is [string, string] => entry[1] !== undefined)));
}

function usage(title: string, words: readonly string[], says: RegExp): Case {
  return { title, words, exitCode: 2, says };
}

function stream(title: string, stdin: () => Buffer | Promise<Buffer>, says: RegExp): Case {
  return { title, words: ['put-wal', 'main'], stdin, says };
}

function restore(title: string, words: readonly string[], says: RegExp, more: Partial<Case> = {}): Case {
  return { title, words: ['restore', ...words], says, ...more };
}

function brokenRecord(title: string, change: (text: string) => string, says: RegExp): Case {
  const where = `{folder}/home/main/meta/${weekly}-backup\\.info`;
  return {
    title,
    words: ['show-backup', 'main', weekly],
    setUp: async (home) => patchRecord(home, change),
    says: new RegExp(`${where}${says.source}`),
    hint: /repair the line/,
  };
}

async function patchRecord(home: TestHome, change: (text: string) => string): Promise<void> {
  const path = recordPath(home, 'main', weekly);
  await writeFile(path, change(await readFile(path, 'utf8')));
}

async function prefix(path: string, text: string): Promise<void> {
  await writeFile(path, `${text}${await readFile(path, 'utf8')}`);
}

const forbidden: string[] = [];

/** Takes a file or folder from whoever runs the program; root gives it to himself first. */
async function forbid(path: string): Promise<void> {
  if (process.getuid?.() === 0) await chown(path, 0, 0);
  await chmod(path, 0);
  forbidden.push(path);
}

/** So that an ordinary user can remove them. */
async function allowAgain(): Promise<void> {
  for (const path of forbidden.splice(0)) await chmod(path, 0o700);
}

/** Every file with its size and time, every folder; what was made to be opened or written by any command is left out. */
async function listing(folder: string): Promise<readonly string[]> {
  const found: string[] = [];
  const visit = async (path: string): Promise<void> => {
    for (const entry of await readdirIfAllowed(path)) {
      const inside = join(path, entry);
      const name = relative(folder, inside);
      if (/^(barman\.log|links|home\/\.[^/]*\.lock|home\/main\/\.pgcellar)$/.test(name)) continue;
      const { size, mtimeMs, mode } = await lstat(inside);
      const isFolder = (mode & 0o170000) === 0o040000;
      found.push(isFolder ? `${name}/` : `${name} ${String(size)} ${String(mtimeMs)}`);
      if (isFolder) await visit(inside);
    }
  };
  await visit(folder);
  return found.toSorted();
}

async function readdirIfAllowed(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
    return [];
  }
}

async function tarOf(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const archive = pack();
  for (const [name, text] of Object.entries(files)) archive.entry({ name }, text);
  archive.finalize();
  return await bytesOf(archive);
}

async function tarWithLink(name: string): Promise<Buffer> {
  const archive = pack();
  archive.entry({ name, type: 'symlink', linkname: '/etc/passwd' });
  archive.finalize();
  return await bytesOf(archive);
}

async function bytesOf(archive: ReturnType<typeof pack>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of archive as unknown as AsyncIterable<Buffer>) chunks.push(chunk); // a stream of streamx, whose types say less
  return Buffer.concat(chunks);
}

function sumsOf(files: Readonly<Record<string, string>>): string {
  return Object.entries(files)
    .map(([name, text]) => `${createHash('sha256').update(text).digest('hex')} *${name}\n`)
    .join('');
}

/** The beginning of a gzip file, and no more. */
function gzipHead(): Buffer {
  return Buffer.from([0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3, 4]);
}
