// One home that the real Barman made, and more than 150 command lines that both programs are given: under its name we answer as Barman
// 3.20.1 does, to the letter, or in a way that docs/differences-from-barman.md lists.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { comparableAnswer } from '../helpers/comparable-answer.ts';
import { describeWithOracle, requireOracle } from '../helpers/installations.ts';
import { mistakesIn } from '../helpers/json-schema.ts';
import { type ListedDifference, listedDifferences } from '../helpers/listed-differences.ts';
import { Opened } from '../helpers/opened.ts';
import { runOracle } from '../helpers/run-oracle.ts';
import { runPgcellar, settingsOf } from '../helpers/run-pgcellar.ts';
import { type ProgramResult, runProgram } from '../helpers/run-program.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { writeManyStates } from '../helpers/write-many-states.ts';

/** Lines that both answer alike; `JOB` is the id of the newest backup of `main`, `DEST` a folder that is not there. */
const alike: readonly string[] = [
  ...['list-servers', 'list-servers --minimal', 'list-server', 'list-servers extra', '-c /nonexistent list-servers'],
  ...['--begin 1', '--help-me', 'hurt', '--nagios hurt', 'main --nagios', '-- main', 'main Fresh'].map(
    (words) => `check ${words}`,
  ),
  ...['--nagios idle', "''", '-n main'].map((words) => `check ${words}`),
  ...['main', 'copy', 'idle', 'hurt', 'down', 'Fresh', 'judged', 'files', 'main Fresh', 'all', 'nobody', 'main nobody', ''].map(
    (names) => `show-servers ${names}`,
  ),
  ...['main', 'idle', 'copy', 'hurt', 'down', 'Fresh', 'judged', 'files', 'all', 'nobody', ''].map(
    (names) => `status ${names}`,
  ),
  ...['main', 'idle', 'Fresh', 'judged', 'files', 'nobody', 'main nobody', '--nonsense main'].map((names) => `check ${names}`),
  ...['main', 'Fresh', 'judged', 'nobody'].map((names) => `check --nagios ${names}`),
  ...[
    'main',
    'main main',
    'idle',
    'copy',
    'hurt',
    'down',
    'Fresh',
    'judged',
    'all',
    'nobody',
    '--minimal main',
    '--minimal all',
  ].map((words) => `list-backups ${words}`),
  ...['latest', 'oldest', 'first', 'last', 'last-full', 'last-failed', 'weekly', 'nightly', 'increment', 'waits', 'broken'].map(
    (id) => `show-backup main ${id}`,
  ),
  ...['20200101T000000', '20200102T030405', 'nothing', ''].map((id) => `show-backup main ${id}`),
  ...['judged weekly', 'judged nightly', 'judged increment', 'nobody latest', 'all latest', 'Fresh latest'].map(
    (words) => `show-backup ${words}`,
  ),
  ...['main latest', 'main weekly', 'main increment', 'main broken', '--target nothing main latest'].map(
    (words) => `list-files ${words}`,
  ),
  ...['wal main oldest', 'wal main weekly', 'data main nightly', 'standalone main weekly', 'full main nightly'].map(
    (words) => `list-files --target ${words}`,
  ),
  ...['main weekly', '--status main weekly', '--status main nightly', '--target full main nobody'].map(
    (words) => `keep ${words}`,
  ),
  ...['show-servers', 'check'].flatMap((verb) => ['bare', 'scarce'].map((name) => `-c SCARCE ${verb} ${name}`)),
  ...[
    '-f json check bare',
    'backup bare',
    'replication-status bare',
    'check --nagios bare',
    'backup level',
    'check level',
    'check cipher',
  ].map((words) => `-c SCARCE ${words}`),
  ...['list-servers', '-f json list-servers'].map((words) => `-c ODD ${words}`),
  ...[
    '--name -x down',
    '--compression gzip down',
    '--incremental broken main',
    '--name first down',
    '--retry-times x down',
  ].map((words) => `backup ${words}`),
  ...['--target-time nonsense', '--target-lsn x', '--target-lsn FFFFFFFF/FFFFFFFF', "--target-name ''", '--bwlimit x'].map(
    (words) => `restore ${words} main latest DEST`,
  ),
  ...['--staging-path /tmp --staging-location remote', '--tablespace far:relative', '--jobs -1', '--retry-sleep x'].map(
    (words) => `restore ${words} main weekly DEST`,
  ),
  ...['--bzip2 --keep-compression', '-P', '-z -j', '--peek 0', '--peek -1'].map(
    (words) => `get-wal ${words} main 0000000100000000000000FF`,
  ),
  ...['copy 0000000100000000000000FF', 'all 0000000100000000000000FF', 'main 00000002.history', 'main ../../etc/passwd'].map(
    (words) => `get-wal ${words}`,
  ),
  ...['--stop --reset main', '--create-slot --drop-slot main', '--if-not-exists main', 'all'].map(
    (words) => `receive-wal ${words}`,
  ),
  ...['-t main', '-t hurt', '-t copy', '', 'all'].map((words) => `put-wal ${words}`),
  ...['show-backup main WEEKLY', 'show-backup main week', 'show-backup judged waits', 'show-backups main latest'],
  ...['verify-backup main waits', 'verify-backup main broken', 'verify main weekly', 'generate-manifest main broken'],
  ...['keep -r -s main nightly', 'keep --release --target full main weekly', 'keep --target standalone main waits'],
  ...[
    'check-wal-archive --timeline 0 main',
    'check-wal-archive --timeline -1 main',
    'rebuild-xlogdb all',
    'switch-wal --force',
  ],
  ...['config-switch all x', 'config-switch judged judged:other --reset', 'terminate-process main cron', 'list-processes all'],
  ...[
    'replication-status --source backup-host main',
    'check nobody zzz',
    'list-backups zzz hurt nobody',
    'status hurt nobody copy',
  ],
  ...[
    'show-backup judged nightly',
    'list-files --target full main increment',
    'keep --status main broken',
    'keep main weekly',
  ].map(inJson),
  ...['--target-xid x', '--target-action shutdown', "--target-xid ''", '--exclusive', '--target-immediate --target-name x'].map(
    (words) => `restore ${words} main weekly DEST`,
  ),
  ...['--retry-times x', '--staging-location nowhere', '--tablespace far', '--recovery-conf-filename', '-j x'].map(
    (words) => `restore ${words} main weekly DEST`,
  ),
  ...['idle latest DEST', 'down latest DEST', 'all latest DEST', 'main weekly DEST extra'].map((words) => `restore ${words}`),
  ...['recover main nothing DEST', 'recover main weekly', 'list-backup main', 'list-server', 'show-server main'],
  ...['get-wal main', "get-wal main ''", 'get-wal idle 0000000100000000000000FF', 'get-wal hurt 0000000100000000000000FF'],
  ...['config-switch nobody x', 'config-switch main', 'config-switch --reset', 'terminate-process nobody receive-wal'],
  ...['replication-status --target nonsense main', 'list-backups --minimal hurt', 'list-backups --minimal Fresh nobody'],
  ...['show-backup main latest-full', 'show-backup main LATEST', 'delete nobody nothing', 'check-backup judged latest'],
  ...['show-servers main hurt', 'status hurt', 'status copy', 'check idle', 'delete main nothing', 'put-wal nobody'].map(
    inJson,
  ),
  ...['list-servers', 'check all', 'check --nagios all'].map((words) => `-c TWINS ${words}`),
  ...['', 'main', 'nobody weekly', '--release main weekly', '--status main broken', '--target full --status main weekly'].map(
    (words) => `keep ${words}`,
  ),
  ...['main nothing', 'nobody latest', 'main', ''].map((words) => `generate-manifest ${words}`),
  ...['a b c --nonsense', '--nonsense main', 'hurt latest', 'down latest', 'main all', "'' latest"].map(
    (words) => `show-backup ${words}`,
  ),
  ...['main nothing', 'hurt latest', 'main latest extra'].map((words) => `list-files ${words}`),
  ...['--target full main increment', '--target full main waits'].map((words) => `keep ${words}`),
  ...['main weekly', 'main 20200101T000000', 'nobody latest'].map((words) => `check-backup ${words}`),
  ...['main weekly', 'main increment', 'nobody latest'].map((words) => `verify-backup ${words}`),
  ...['main', '--minimal main', '--target hot-standby main', '--target wal-streamer main', '--source wal-host main'].map(
    (words) => `replication-status ${words}`,
  ),
  ...['down', 'idle', 'copy', 'nobody'].map((name) => `replication-status ${name}`),
  ...['', 'main 20200101T000000', 'nobody latest', 'a b c'].map((words) => `delete ${words}`),
  ...[
    'main 0000000100000000000000FF',
    '--peek 3 main 000000010000000000000001',
    '--peek 100 main 000000010000000000000001',
  ].map((words) => `get-wal ${words}`),
  ...['nobody 000000010000000000000001', 'main nonsense', '--test main 000000010000000000000001', ''].map(
    (words) => `get-wal ${words}`,
  ),
  ...['idle', 'copy', 'down', 'nobody', '--name latest main', '--jobs 0 main', '--incremental nothing main'].map(
    (words) => `backup ${words}`,
  ),
  ...['hurt', '--jobs nonsense down', '--jobs -1 down', '--jobs', '--jobs-start-batch-period nonsense down'].map(
    (words) => `backup ${words}`,
  ),
  ...[
    "--name '' down",
    '--name 20200101T000000 down',
    '--name all down',
    '--reuse-backup nothing down',
    '--bwlimit x down',
  ].map((words) => `backup ${words}`),
  ...['main nothing DEST', 'nobody latest DEST', 'main latest', 'hurt latest DEST', 'main auto DEST', 'main broken DEST'].map(
    (words) => `restore ${words}`,
  ),
  ...['--target-xid 5 --target-immediate', '--target-name x --target-lsn 0/1', '--target-tli 0', '--target-tli nonsense'].map(
    (words) => `restore ${words} main latest DEST`,
  ),
  ...['--target-tli 9', '--target-action nothing', '--target-action pause', '--combine-mode nothing', '--jobs 0'].map(
    (words) => `restore ${words} main latest DEST`,
  ),
  ...['--tablespace nonsense', '--tablespace nobody:/x', '--staging-path here', '--local-staging-path here'].map(
    (words) => `restore ${words} main latest DEST`,
  ),
  ...["--target-time '2020-01-01 00:00:00'", '--target-xid 5', '--target-name x'].map(
    (words) => `restore ${words} main auto DEST`,
  ),
  ...['', 'main', 'main nothing', 'main nothing /tmp', 'main weekly /nonexistent', 'main increment /nonexistent'].map(
    (words) => `export-backup ${words}`,
  ),
  ...['', 'main', 'main nothing', 'main /nonexistent', 'main /tmp', 'nobody /nonexistent'].map(
    (words) => `import-backup ${words}`,
  ),
  ...['idle', 'nobody', ''].map((name) => `switch-wal ${name}`),
  ...['main', 'idle', 'nobody'].map((name) => `archive-wal ${name}`),
  ...['down', '--archive down', 'hurt', 'main nobody extra'].map((words) => `switch-wal ${words}`),
  ...['nobody', 'main', 'idle', '--stop main', '--reset main', 'down', 'hurt', ''].map((words) => `receive-wal ${words}`),
  ...['--reset Fresh', '--reset down', 'Fresh', '--stop Fresh', '--drop-slot Fresh'].map((words) => `receive-wal ${words}`),
  ...['receive-wal --reset Fresh', 'receive-wal Fresh'].map(inJson),
  ...['--create-slot down', '--drop-slot down', '--create-slot nobody'].map((words) => `receive-wal ${words}`),
  ...['main nomodel', 'main --reset', 'judged --reset', 'judged nomodel', ''].map((words) => `config-switch ${words}`),
  ...["'[]'", ''].map((words) => `config-update ${words}`),
  ...['{"scope":"server"}', '{"scope":"x","server_name":"main"}', '{"server_name":"main"}', '{"scope":"model"}'].map(
    (change) => `config-update '[${change}]'`,
  ),
  `config-update '[{"scope":"model","model_name":"nomodel"}]'`,
  ...['main', 'nobody'].map((name) => `rebuild-xlogdb ${name}`),
  ...['main', 'Fresh', '--timeline 1 main', 'nobody'].map((words) => `check-wal-archive ${words}`),
  ...['3 6', '1 4', '3 2', '1 FF'].map((range) => `check-archived-wal-range main ${segments(range)}`),
  ...['main nonsense 000000010000000000000003', 'main 000000010000000000000003 000000020000000000000004', 'main'].map(
    (words) => `check-archived-wal-range ${words}`,
  ),
  ...[`Fresh ${segments('3 4')}`, `nobody ${segments('3 4')}`].map((words) => `check-archived-wal-range ${words}`),
  ...['list-processes main', 'list-processes nobody', 'terminate-process main nothing', 'terminate-process main receive-wal'],
  ...['lock-directory-cleanup', 'put-wal nobody', 'put-wal idle', 'cron --nonsense', 'frobnicate'],
  ...[
    '-f xml list-servers',
    '--log-level error list-servers',
    '--log-level ERROR list-servers',
    '--color sometimes list-servers',
  ],
  ...['--color always list-backups main', '--color always check main', '--color never check main'],
  ...['show-backup main latest', 'check main', 'check nobody', 'check --nagios main', 'list-backups --minimal main'].map(
    (words) => `-q ${words}`,
  ),
  ...[
    'list-servers',
    'show-backup main 20200101T000000',
    'get-wal --peek 3 main 000000010000000000000001',
    'archive-wal main',
  ].map((words) => `-q ${words}`),
  ...['list-servers', 'show-backup main 20200101T000000'].map((words) => `-q -f json ${words}`),
  ...['--peek x', '--output-directory /nonexistent', '--sleep x', '--compression gzip'].map(
    (words) => `get-wal ${words} main 000000010000000000000003`,
  ),
  ...['-f', '-f xml', '-c', '--color', '--log-level', '-d nonsense', 'lists', 'list_servers', 'LIST-SERVERS'],
  ...['sync-info-all', 'diagnose extra', 'lock-directory-cleanup extra', 'cron extra', 'check-wal-archive --timeline x main'],
  ...['check hurt', 'import-backup main nothing', 'show-backup main latest', 'check-wal-archive main'].map(inJson),
  ...['list-servers', 'list-servers --minimal', 'show-servers main', 'show-servers down', 'show-servers Fresh'].map(inJson),
  ...['show-servers hurt', 'show-servers idle', 'show-servers copy', 'show-servers nobody', 'status main', 'status down'].map(
    inJson,
  ),
  ...['status judged', 'status idle', 'status all', 'check main', 'check Fresh', 'check judged', 'check nobody'].map(inJson),
  ...['list-backups main', 'list-backups judged', 'list-backups all', 'list-backups Fresh', 'list-backups nobody'].map(inJson),
  ...['show-backup main first', 'show-backup main nightly', 'show-backup main increment', 'show-backup main waits'].map(inJson),
  ...['show-backup main broken', 'show-backup judged weekly', 'show-backup main nothing', 'list-files main last'].map(inJson),
  ...[
    'keep --status main nightly',
    'keep --status main weekly',
    'verify-backup main weekly',
    'backup down',
    'backup nobody',
  ].map(inJson),
  ...['replication-status main', 'replication-status down', 'archive-wal main', 'list-processes main'].map(inJson),
  ...[`check-archived-wal-range main ${segments('3 6')}`, `check-archived-wal-range main ${segments('1 4')}`].map(inJson),
].map((line) => line.trim());

/** A value that cannot be read in each kind of option, and sections that leave most of them out. */
const oddSections: readonly Readonly<Record<string, string>>[] = [
  ...['compression', 'backup_method', 'backup_options', 'recovery_options', 'reuse_backup', 'create_slot'],
  ...['backup_compression', 'backup_compression_format', 'backup_compression_location', 'backup_compression_level'],
  ...['last_backup_maximum_age', 'last_backup_minimum_size', 'last_wal_maximum_age', 'check_timeout', 'parallel_jobs'],
  ...['recovery_staging_path', 'staging_location', 'compression_level', 'encryption', 'combine_mode', 'network_compression'],
  ...['max_incoming_wals_queue', 'forward_config_path', 'misspelt', 'basebackup_retry_sleep', 'primary_checkpoint_timeout'],
]
  .map((key): Readonly<Record<string, string>> => ({ archiver: 'on', conninfo: 'host=x', ssh_command: 'ssh x', [key]: 'foo' }))
  .concat([
    ...['slot-name', ''].map((name) => ({ archiver: 'on', slot_name: name })),
    { archiver: 'on', snapshot_disks: ',' },
    {
      archiver: 'on',
      backup_method: 'postgres',
      backup_options: 'external_configuration, concurrent_backup, exclusive_backup',
    },
    { archiver: 'on', backup_method: 'postgres', backup_options: 'exclusive_backup' },
    { archiver: 'on', backup_method: 'local-rsync', ssh_command: 'ssh x' },
    { archiver: 'on', backup_method: 'local-rsync' },
    { archiver: 'on', backup_method: 'rsync', backup_options: 'external_configuration' },
  ]);

const odd = Object.fromEntries(oddSections.map((settings, index) => [`odd${String(index).padStart(2, '0')}`, settings]));

/** Lines that change something: each is given to both with the same state before it. */
const changing: readonly string[] = [
  'keep --target full main weekly',
  'keep --release main nightly',
  'keep -r main weekly',
  'check-backup main broken',
  'delete main weekly',
  'delete main broken',
  'delete judged weekly',
  '-f json delete main weekly',
  'rebuild-xlogdb judged',
  'delete main first',
  'delete main oldest',
  'delete main increment',
  ...['{}', '[{}]', '[{"scope":"server","server_name":"judged:other"}]', '[{"scope":"model","model_name":"main"}]'].map(
    (changes) => `config-update '${changes}'`,
  ),
  `config-update '[{"scope":"server","server_name":"new","conninfo":"host=x"}]'`,
  `config-update '[{"scope":"model","model_name":"new","cluster":"main"}]'`,
  `-f json config-update '[{"scope":"model","model_name":"judged:other"}]'`,
];

/** `barman-wal-archive` and `barman-wal-restore`. */
const helpers: readonly string[] = [
  'barman-wal-archive',
  'barman-wal-archive host',
  'barman-wal-archive host server x --nonsense',
  'barman-wal-restore',
  'barman-wal-restore host main',
  'barman-wal-restore host main 000000010000000000000001',
];

const different: Readonly<Record<string, ListedDifference>> = {
  'restore --target-lsn nonsense --tablespace far:DEST-far main latest DEST': 'refusedBefore',
  '-f json check --nagios main': 'nagiosBraces',
  '-d list-servers': 'debugMessages',
  'check down': 'unknownSlot',
  'check --nagios down': 'unknownSlot',
  '-f json check down': 'unknownSlot',
  'generate-manifest main weekly': 'errorText',
  'delete main nightly': 'errorText',
  '-f json delete main nightly': 'errorTextInJson',
  'check copy': 'notYet',
  'sync-info main': 'notYet',
  'replication-status all': 'refusedFirst',
  'config-update nonsense': 'errorText',
  'config-update \'[{"scope":"server","server_name":"main","nonsense":"1","description":"x"}]\'': 'hiddenValues',
};

function iniOf(sections: Readonly<Record<string, Readonly<Record<string, string>>>>): string {
  const lines = (settings: Readonly<Record<string, string>>) =>
    Object.entries(settings).map(([key, value]) => `${key} = ${value}\n`);
  return Object.entries(sections)
    .map(([name, settings]) => `[${name}]\n${lines(settings).join('')}`)
    .join('');
}

function inJson(line: string): string {
  return `-f json ${line}`;
}

function segments(range: string): string {
  return range
    .split(' ')
    .map((number) => `0000000100000000000000${number.padStart(2, '0')}`)
    .join(' ');
}

test('every difference that is allowed for stands in the documentation', async () => {
  const page = await readFile(new URL('../../docs/differences-from-barman.md', import.meta.url), 'utf8');
  for (const words of Object.values(listedDifferences)) expect(page).toContain(words);
  expect(new Set(Object.values(different))).toEqual(new Set(Object.keys(listedDifferences)));
});

test('of more than 150 lines at least 97 % are answered alike', () => {
  const equal = alike.length + changing.length + helpers.length;
  const all = equal + Object.keys(different).length;
  expect(equal).toBeGreaterThan(150);
  expect(equal / all).toBeGreaterThanOrEqual(0.97);
});

describeWithOracle('on one home that the real Barman made', () => {
  const opened = new Opened();
  let home: TestHome;

  beforeAll(async () => {
    const settings = { archive_mode: 'on', archive_command: 'true', summarize_wal: 'on' };
    const cluster = await opened.add(startCluster({ major: 17, settings }));
    const tablespace = await opened.add(createTemporaryFolder('ts', { owner: 'server' }));
    home = await opened.add(createTestHome({ global: { compression: '' } }));
    await writeManyStates({ home, cluster, tablespace: tablespace.path });
    await saveState(home);
    await writeOddFiles(home, cluster.conninfo({ user: 'barman' }));
  });
  afterAll(() => opened.close());

  const wordsOf = (line: string): string[] =>
    (line.match(/'[^']*'|\S+/g) ?? []).map((word) =>
      word
        .replace(/^'(.*)'$/, '$1')
        .replaceAll('DEST', join(home.folder, 'restored'))
        .replace(/^(?:ODD|TWINS|SCARCE)$/, (name) => join(home.folder, `${name}.conf`)),
    );
  const optionsFor = (line: string) => ({ home, config: !line.startsWith('-c ') });
  const mine = async (line: string) => await runPgcellar(wordsOf(line), { ...optionsFor(line), as: 'barman' });
  const real = async (line: string) => await runOracle(wordsOf(line), optionsFor(line));
  const ask = async (line: string) => await Promise.all([mine(line), real(line)]);

  test.each(['show-servers', 'status', 'check', 'list-backups', 'replication-status'])(
    '%s of a live server is as its schema says',
    async (verb) => {
      const { stdout } = await runPgcellar(['-f', 'json', verb, 'main'], { home });
      expect(mistakesIn(verb, JSON.parse(stdout))).toEqual([]);
    },
  );

  test.each(alike)('%s', async (line) => {
    for (let attempt = 1; ; attempt++) {
      const [ours, theirs] = (await ask(line)).map(comparableAnswer);
      // what a live server tells may move between the two
      if (attempt < 3 && JSON.stringify(ours) !== JSON.stringify(theirs)) continue;
      expect(ours).toEqual(theirs);
      return;
    }
  });

  test.each(changing)('%s', async (line) => {
    const theirs = comparableAnswer(await real(line));
    await restoreState(home);
    const ours = comparableAnswer(await mine(line));
    await restoreState(home);
    expect(ours).toEqual(theirs);
  });

  test.each(helpers)('%s', async (line) => {
    const [as = '', ...words] = line.split(' ');
    const program = join(requireOracle().program, '..', as);
    const [ours, theirs] = await Promise.all([
      runPgcellar(words, { home, as: as as 'barman-wal-archive' }), // the names of the table
      runProgram(home.argv([program, ...words]), settingsOf({ home })),
    ]);
    expect(ours).toEqual(theirs);
  });

  test('nothing that is ours is printed under the name barman, and all of it under one key under our own', async () => {
    const lines = ['-f json status main', '-f json show-servers main', 'diagnose'];
    for (const line of lines) {
      const [asBarman, own] = [await mine(line), await runPgcellar(wordsOf(line), { home })];
      const answer = JSON.parse(own.stdout) as Record<string, unknown>; // an object, as its schema says
      expect(Object.keys(answer)).toContain('pgcellar');
      expect(Object.keys(JSON.parse(asBarman.stdout) as object)).toEqual(
        Object.keys(answer).filter((key) => key !== 'pgcellar'),
      );
    }
  });

  test('a check of ours that fails is shown and counts under the name barman, too', async () => {
    const folder = home.server('main', 'wals', '0000000100000000');
    const [gone = ''] = (await readdir(folder)).filter((name) => /^[0-9A-F]{24}$/.test(name)).slice(3);
    await rename(join(folder, gone), join(home.folder, gone));
    await runPgcellar(['rebuild-xlogdb', 'main'], { home });
    const { exitCode, stdout } = await mine('check main');
    const nagios = await mine('check --nagios main');
    await rename(join(home.folder, gone), join(folder, gone));
    await restoreState(home);
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^\tWAL continuity: FAILED \(.+\)$/m);
    expect(nagios).toMatchObject({ exitCode: 2, stdout: expect.stringMatching(/^BARMAN CRITICAL .*WAL continuity/) as string });
    expect((await mine('check main')).stdout).not.toContain('WAL continuity');
  });

  test.each(Object.entries(different))('%s (listed: %s)', async (line, difference) => {
    const removeRestored = async (): Promise<void> => {
      for (const folder of ['restored', 'restored-far']) await rm(join(home.folder, folder), { recursive: true, force: true });
    };
    await removeRestored(); // of a line before
    const ours = await mine(line);
    const hasWritten = existsSync(join(home.folder, 'restored'));
    const theirs = await real(line);
    await removeRestored();
    // a line that is answered alike by now has no place in the list
    expect(comparableAnswer(ours)).not.toEqual(comparableAnswer(theirs));
    switch (difference) {
      case 'errorText':
        expect(ours.exitCode).toBe(theirs.exitCode);
        expect(ours.stdout).toBe(theirs.stdout);
        expect(kindOf(ours)).toBe(kindOf(theirs));
        break;
      case 'errorTextInJson': {
        const [answer, asked] = [ours, theirs].map(({ stdout }) => JSON.parse(stdout) as Record<string, readonly string[]>);
        expect(ours.exitCode).toBe(theirs.exitCode);
        expect({ ...answer, _ERROR: answer?.['_ERROR']?.length }).toEqual({ ...asked, _ERROR: asked?.['_ERROR']?.length });
        break;
      }
      case 'hiddenValues':
        expect(ours.exitCode).toBe(theirs.exitCode);
        expect(ours.stdout).toBe(theirs.stdout);
        expect(ours.stderr).toBe(theirs.stderr.replaceAll(/('(?:nonsense|description)': )'[^']*'/g, "$1'*'"));
        break;
      case 'refusedFirst':
        expect(ours).toEqual({ ...theirs, stderr: ours.stderr });
        expect(ours.stderr.split('\n').toSorted()).toEqual(theirs.stderr.split('\n').toSorted());
        break;
      case 'debugMessages':
        expect(withoutDebug(ours)).toEqual(withoutDebug(theirs));
        break;
      case 'nagiosBraces':
        expect(`{}${ours.stdout}`).toBe(theirs.stdout);
        break;
      case 'unknownSlot': {
        const withoutSlot = ({ stdout }: ProgramResult): string =>
          stdout.replace(/^(?:\t|down\.)replication slot: FAILED.*$|(?<="replication_slot": ?\{)[^}]*FAILED[^}]*/m, '');
        expect(ours.exitCode).toBe(theirs.exitCode);
        expect(withoutSlot(ours)).toBe(withoutSlot(theirs));
        break;
      }
      case 'refusedBefore':
        expect(ours.exitCode).toBe(theirs.exitCode);
        expect(ours.stdout).toBe('');
        expect(kindOf(ours)).toBe(kindOf(theirs));
        expect(hasWritten).toBe(false);
        break;
      case 'notYet':
        expect(ours.exitCode).toBe(1);
        expect(`${ours.stdout}${ours.stderr}`).toMatch(/not available yet/);
        break;
    }
  });
});

/** Configurations of their own on the same home: values that cannot be read, servers that share a folder, hardly any options. */
async function writeOddFiles(home: TestHome, conninfo: string): Promise<void> {
  const global = (await readFile(home.configFile, 'utf8')).replace(/^configuration_files.*$/m, '');
  const twin = { archiver: 'on', backup_directory: home.server('main') };
  const streams = { backup_method: 'postgres', archiver: 'on', conninfo };
  const scarce = {
    bare: {},
    scarce: { backup_method: 'local-rsync', conninfo },
    level: { ...streams, backup_compression: 'lz4', backup_compression_level: '99', backup_compression_workers: '2' },
    cipher: { ...streams, encryption: 'gpg', encryption_key_id: 'nobody', backup_compression: 'gzip' },
  };
  await home.writeFile('ODD.conf', `${global}${iniOf(odd)}`);
  await home.writeFile('TWINS.conf', `${global}${iniOf({ main: twin, twin })}`);
  await home.writeFile('SCARCE.conf', `${global}${iniOf(scarce)}`);
}

/** Folders that lines change; what is next to them stays. */
const changed = ['main', 'judged'];

async function saveState(home: TestHome): Promise<void> {
  const saved = await home.makeFolder('saved');
  for (const name of changed) await promisify(execFile)('cp', ['-a', home.server(name), saved]);
}

async function restoreState(home: TestHome): Promise<void> {
  for (const name of changed) {
    await promisify(execFile)('rsync', ['-a', '--delete', `${join(home.folder, 'saved', name)}/`, `${home.server(name)}/`]);
  }
  for (const name of ['.barman.auto.conf', 'cfg_changes.queue']) await rm(join(home.path, name), { force: true });
}

/** The answer without what `-d` adds to it. */
function withoutDebug({ stdout, stderr, ...result }: ProgramResult): ProgramResult {
  const answer = stdout.startsWith('{') ? (JSON.parse(stdout) as Record<string, unknown>) : undefined; // an object by its brace
  const kept = Object.entries(answer ?? {}).filter(([key]) => key !== '_DEBUG');
  const rest = answer === undefined ? stdout : JSON.stringify(Object.fromEntries(kept));
  return { ...result, stdout: rest, stderr: stderr.replaceAll(/^DEBUG: .*\n/gm, '') };
}

/** How a failure begins, in the words that scripts look for; Barman has other words for a failure that nobody expected. */
function kindOf({ stderr }: ProgramResult): string | undefined {
  const kind = /^(usage|ERROR|EXCEPTION|Configuration file)\b/m.exec(stderr)?.[1];
  return kind === 'EXCEPTION' || kind === 'Configuration file' ? 'ERROR' : kind;
}
