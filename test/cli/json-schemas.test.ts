// What each verb prints with -f json is as its schema in docs/schemas says. The schemas are closed: a key that none of them knows fails.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { allCommands } from '../../src/cli/all-commands.ts';
import { mistakesIn, schemaNames } from '../helpers/json-schema.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { writeCatalog, writtenBackups } from '../helpers/write-catalog.ts';

const segment = '000000010000000000000003';

interface Case {
  /** Of the schema, when it is not the verb's own. */
  readonly schema?: string;
  readonly words: (home: TestHome) => readonly string[];
  readonly input?: string;
}

const asIs =
  (...words: readonly string[]): Case['words'] =>
  () =>
    words;
const told = (...words: readonly string[]): Case => ({ schema: 'messages', words: asIs(...words) });

/** Each verb at least once; in the order in which they may run on one home. */
const cases: Readonly<Record<string, readonly Case[]>> = {
  'list-servers': [{ words: asIs('list-servers') }],
  'list-backups': [{ words: asIs('list-backups', 'all') }, { words: asIs('list-backups', '--minimal', 'main') }],
  'show-backup': [
    { words: asIs('show-backup', 'main', 'weekly') },
    { words: asIs('show-backup', 'main', writtenBackups.failed) },
  ],
  'show-servers': [{ words: asIs('show-servers', 'all') }],
  status: [{ words: asIs('status', 'all') }],
  check: [{ words: asIs('check', 'all') }],
  'list-files': [told('list-files', 'main', 'weekly')],
  keep: [{ words: asIs('keep', '--status', 'main', 'weekly') }, told('keep', '--target', 'full', 'main', 'weekly')],
  'replication-status': [{ words: asIs('replication-status', 'main') }],
  'list-processes': [{ words: asIs('list-processes', 'main') }],
  retention: [
    { words: asIs('retention', 'all') },
    { words: asIs('retention', '--policy', 'REDUNDANCY 1', 'main') },
    { words: asIs('retention', '--policy', 'RECOVERY WINDOW OF 2 DAYS', 'main') },
  ],
  'show-cluster': [{ words: asIs('show-cluster', 'main') }, { words: asIs('show-cluster', '--history', 'main') }],
  doctor: [{ words: asIs('doctor', 'main') }],
  schedule: [{ words: asIs('schedule', '--list') }],
  restore: [
    { words: (home) => ['restore', '--dry-run', 'main', 'latest', join(home.folder, 'restored')] },
    { words: (home) => ['restore', '--dry-run', '--target-time', '2001-01-01', 'main', 'auto', join(home.folder, 'restored')] },
    { words: (home) => ['restore', '--dry-run', '--target-lsn', '0/6000100', 'main', 'latest', join(home.folder, 'restored')] },
    { words: (home) => ['restore', 'main', writtenBackups.secondTwin, join(home.folder, 'restored')] },
  ],
  'check-archived-wal-range': [
    { words: asIs('check-archived-wal-range', 'main', segment, segment) },
    { words: asIs('check-archived-wal-range', 'main', segment, '0000000100000000000000FF') },
  ],
  'check-wal-archive': [{ words: asIs('check-wal-archive', 'main') }, { words: asIs('check-wal-archive', 'idle') }],
  backup: [{ words: asIs('backup', 'main') }],
  'archive-wal': [told('archive-wal', 'main')],
  'check-backup': [told('check-backup', 'main', 'weekly')],
  'config-switch': [told('config-switch', 'main', '--reset')],
  'config-update': [told('config-update', '[]')],
  cron: [told('cron')],
  delete: [told('delete', 'main', writtenBackups.failed)],
  'export-backup': [{ schema: 'messages', words: (home) => ['export-backup', 'main', writtenBackups.secondTwin, home.folder] }],
  'generate-manifest': [told('generate-manifest', 'main', writtenBackups.firstTwin)],
  'get-wal': [told('get-wal', '--peek', '2', 'main', segment)],
  'import-backup': [told('import-backup', 'main', '/nonexistent')],
  'lock-directory-cleanup': [told('lock-directory-cleanup')],
  'put-wal': [{ schema: 'messages', words: asIs('put-wal', 'main'), input: 'no tar file' }],
  'rebuild-xlogdb': [told('rebuild-xlogdb', 'main')],
  'receive-wal': [told('receive-wal', '--stop', 'main')],
  'switch-wal': [told('switch-wal', 'main')],
  'terminate-process': [told('terminate-process', 'main', 'backup')],
  'verify-backup': [told('verify-backup', 'main', 'weekly')],
};

/** Verbs that print no JSON object, and why. */
const without: Readonly<Record<string, string>> = {
  'adopt-barman': 'advice and commands for a person',
  diagnose: 'its output is JSON in any format: below',
  complete: 'words for a shell',
  completion: 'a script for a shell',
  init: 'writes a first configuration and asks a server: first-server.test.ts',
  'send-wals': 'a tar stream',
};

let home: TestHome;
beforeAll(async () => {
  const server = {
    conninfo: 'host=127.0.0.1 port=1 user=barman dbname=postgres',
    streaming_conninfo: 'host=127.0.0.1 port=1 user=barman',
    backup_method: 'postgres',
    archiver: 'on',
    backup_schedule: '0 4 * * * Europe/Berlin',
    retention_policy: 'REDUNDANCY 2',
  };
  home = await createTestHome({ servers: { main: server, idle: { ...server, active: 'false' } } });
  await writeCatalog(home, 'main');
  await mkdir(home.server('main', 'errors'), { recursive: true });
  await writeFile(home.server('main', 'errors', 'a.1.unknown'), '');
});
afterAll(async () => {
  await home[Symbol.asyncDispose]();
});

test('every verb has a case or a reason, and every schema a verb', () => {
  const verbs = allCommands.map(({ name }) => name).filter((name) => !name.startsWith('sync-'));
  expect([...Object.keys(cases), ...Object.keys(without)].toSorted()).toEqual(verbs.toSorted());
  const used = Object.entries(cases).flatMap(([verb, each]) => each.map(({ schema = verb }) => schema));
  expect([...new Set([...used, 'common', 'diagnose'])].toSorted()).toEqual(schemaNames);
});

const single = Object.entries(cases).flatMap(([verb, each]) =>
  each.map(({ schema = verb, words, input }, index) => ({ verb, number: index + 1, schema, words, input })),
);

test.each(single)('$verb ($number) is as its schema says', async ({ schema, words, input }) => {
  const { stdout, stderr } = await runPgcellar(['-f', 'json', ...words(home)], {
    home,
    ...(input === undefined ? {} : { input }),
  });
  expect(stderr).toBe('');
  expect(mistakesIn(schema, JSON.parse(stdout))).toEqual([]);
});

test('diagnose prints the same JSON in both formats', async () => {
  const plain = JSON.parse((await runPgcellar(['diagnose'], { home })).stdout) as object;
  expect(mistakesIn('diagnose', plain)).toEqual([]);
  const { _INFO: lines } = JSON.parse((await runPgcellar(['-f', 'json', 'diagnose'], { home })).stdout) as { _INFO: string[] };
  expect(mistakesIn('diagnose', JSON.parse(lines.join('\n')))).toEqual([]);
});

test('a value that is not as the schema says is found', () => {
  expect(mistakesIn('list-backups', { main: [{ backup_id: 'yesterday' }] })).not.toEqual([]);
  expect(mistakesIn('messages', { main: 1 })).not.toEqual([]);
  expect(mistakesIn('retention', {})).toEqual([]);
});
