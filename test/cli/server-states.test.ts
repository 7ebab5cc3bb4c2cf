// What each verb does with a server that is inactive, disabled by its configuration, or a passive node (docs/reference/cli.md section 2,
// docs/reference/since-3.17.md section 4). The real Barman judges all cells but those of our own verbs.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWithOracle } from '../helpers/installations.ts';
import { runOracle } from '../helpers/run-oracle.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import type { ProgramResult } from '../helpers/run-program.ts';
import { createTestHome, type IniSection, type TestHome } from '../helpers/test-home.ts';
import { writeCatalog } from '../helpers/write-catalog.ts';

type Answer = 'run' | 'skip' | 'error';
/** `ours`: as docs/differences-from-barman.md has it. */
type Cell = Answer | { readonly ours: Answer };

interface Row {
  readonly words: (server: string) => readonly string[];
  readonly inactive: Cell;
  readonly disabled: Cell;
  readonly passive: Cell;
}

const ownVerbs = ['doctor', 'retention'];

const wal = '000000010000000000000003';

const rows: Readonly<Record<string, Row>> = {
  'archive-wal': { words: (server) => ['archive-wal', server], inactive: 'skip', disabled: 'error', passive: 'run' },
  backup: { words: (server) => ['backup', server], inactive: 'skip', disabled: 'error', passive: 'skip' },
  check: { words: (server) => ['check', server], inactive: 'run', disabled: 'run', passive: 'run' },
  'check-archived-wal-range': {
    words: (server) => ['check-archived-wal-range', server],
    inactive: 'run',
    disabled: 'run',
    passive: 'run',
  },
  'check-backup': {
    words: (server) => ['check-backup', server, 'weekly'],
    inactive: 'run',
    disabled: 'run',
    passive: 'run',
  },
  'check-wal-archive': {
    words: (server) => ['check-wal-archive', server],
    inactive: 'run',
    disabled: 'run',
    passive: 'run',
  },
  'config-switch': {
    words: (server) => ['config-switch', server, '--reset'],
    inactive: 'run',
    disabled: 'run',
    passive: 'run',
  },
  delete: {
    words: (server) => ['delete', server, '20200101T000000'],
    inactive: 'run',
    disabled: 'error',
    passive: 'run',
  },
  doctor: {
    words: (server) => ['doctor', server],
    inactive: 'run',
    disabled: 'run',
    passive: 'run',
  },
  'export-backup': {
    words: (server) => ['export-backup', server, '20200101T000000', '/nonexistent'],
    inactive: 'run',
    disabled: 'run',
    passive: 'run',
  },
  'generate-manifest': {
    words: (server) => ['generate-manifest', server, 'weekly'],
    inactive: 'skip',
    disabled: 'error',
    passive: 'run',
  },
  'get-wal': {
    words: (server) => ['get-wal', '--peek', '1', server, wal],
    inactive: 'run',
    disabled: 'error',
    passive: 'run',
  },
  'import-backup': {
    words: (server) => ['import-backup', server, '/nonexistent'],
    inactive: 'error',
    disabled: 'error',
    passive: 'run',
  },
  keep: {
    words: (server) => ['keep', '--status', server, 'weekly'],
    inactive: 'run',
    disabled: 'run',
    passive: 'run',
  },
  'list-backups': {
    words: (server) => ['list-backups', server],
    inactive: 'run',
    disabled: 'run',
    passive: 'run',
  },
  'list-files': {
    words: (server) => ['list-files', server, 'weekly'],
    inactive: 'run',
    disabled: 'run',
    passive: 'run',
  },
  'list-processes': {
    words: (server) => ['list-processes', server],
    inactive: 'run',
    disabled: 'run',
    passive: 'run',
  },
  'put-wal': { words: (server) => ['put-wal', server], inactive: 'error', disabled: 'error', passive: 'run' },
  'rebuild-xlogdb': { words: (server) => ['rebuild-xlogdb', server], inactive: 'skip', disabled: 'error', passive: 'run' },
  'receive-wal': {
    words: (server) => ['receive-wal', server],
    inactive: 'skip',
    disabled: 'error',
    passive: { ours: 'error' },
  },
  'receive-wal --create-slot': {
    words: (server) => ['receive-wal', '--create-slot', server],
    inactive: { ours: 'error' },
    disabled: 'error',
    passive: { ours: 'error' },
  },
  'receive-wal --reset': {
    words: (server) => ['receive-wal', '--reset', server],
    inactive: { ours: 'error' },
    disabled: 'error',
    passive: { ours: 'error' },
  },
  'receive-wal --stop': {
    words: (server) => ['receive-wal', '--stop', server],
    inactive: 'run',
    disabled: 'error',
    passive: 'run',
  },
  'replication-status': {
    words: (server) => ['replication-status', server],
    inactive: 'skip',
    disabled: 'error',
    passive: 'skip',
  },
  restore: {
    words: (server) => ['restore', server, '20200101T000000', '/nonexistent'],
    inactive: 'run',
    disabled: 'error',
    passive: 'run',
  },
  retention: {
    words: (server) => ['retention', server],
    inactive: 'run',
    disabled: 'run',
    passive: 'run',
  },
  'show-backup': {
    words: (server) => ['show-backup', server, 'weekly'],
    inactive: 'run',
    disabled: 'run',
    passive: 'run',
  },
  'show-servers': { words: (server) => ['show-servers', server], inactive: 'run', disabled: 'run', passive: 'run' },
  status: { words: (server) => ['status', server], inactive: 'run', disabled: 'run', passive: 'run' },
  'switch-wal': { words: (server) => ['switch-wal', server], inactive: 'skip', disabled: 'error', passive: { ours: 'skip' } },
  'terminate-process': {
    words: (server) => ['terminate-process', server, 'backup'],
    inactive: 'run',
    disabled: 'run',
    passive: 'run',
  },
  'verify-backup': {
    words: (server) => ['verify-backup', server, 'weekly'],
    inactive: 'run',
    disabled: 'run',
    passive: 'run',
  },
};

/** Nobody listens on port 1; nothing of this asks whether somebody does. */
const common: IniSection = {
  conninfo: 'host=127.0.0.1 port=1 user=barman dbname=postgres connect_timeout=2',
  streaming_conninfo: 'host=127.0.0.1 port=1 user=barman dbname=postgres',
  backup_method: 'postgres',
  archiver: 'on',
};

const states = {
  inactive: { ...common, active: 'false' },
  disabled: { ...common, conninfo: '' },
  passive: { primary_ssh_command: 'false', backup_method: 'postgres', archiver: 'on' },
} as const;
type State = keyof typeof states;

/** Names that say nothing of the state, so that a message which does is about it. */
const nameOf: Readonly<Record<State, string>> = { inactive: 'alpha', disabled: 'beta', passive: 'gamma' };

const cells = Object.entries(rows).flatMap(([verb, row]) =>
  (Object.keys(states) as State[]).map((state) => ({ verb, state, words: row.words(nameOf[state]), cell: row[state] })),
);

let home: TestHome;
beforeAll(async () => {
  home = await createTestHome();
  for (const state of Object.keys(states) as State[]) {
    await home.writeServer(nameOf[state], states[state]);
    await writeCatalog(home, nameOf[state]);
  }
  const fake = await home.makeFolder('bin');
  await writeFile(join(fake, 'pg_verifybackup'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
});
afterAll(async () => {
  await home[Symbol.asyncDispose]();
});

const path = () => [join(home.folder, 'bin')];

/** How the state of a server was answered; `run` is everything else. */
function answerOf({ stdout, stderr, exitCode }: ProgramResult): Answer {
  if (/^Skipping (?:inactive|passive) server/m.test(stdout)) {
    expect(exitCode).toBe(0);
    return 'skip';
  }
  const isRefused = /^ERROR: (?:Inactive server: |.*\bconninfo\b|.*\b(?:inactive|passive)\b)/im.test(stderr);
  if (isRefused) expect(exitCode).toBe(1);
  return isRefused ? 'error' : 'run';
}

describe('a server in a special state', () => {
  test.each(cells)('$verb of one that is $state', async ({ words, cell }) => {
    const expected = typeof cell === 'string' ? cell : cell.ours;
    const result = await runPgcellar(words, { home, path: path() });
    expect(answerOf(result), `${result.stdout}${result.stderr}`).toBe(expected);
  });

  test('with several servers, those in a special state do not count: the others decide the exit code', async () => {
    const result = await runPgcellar(['rebuild-xlogdb', nameOf.inactive, nameOf.passive], { home });
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
    expect(result.stdout).toMatch(/^Skipping inactive server 'alpha'$/m);
  });
});

describeWithOracle('beside the real Barman', () => {
  const theirs = cells.filter(({ verb, cell }) => typeof cell === 'string' && !ownVerbs.includes(verb));

  test.each(theirs)('$verb of one that is $state', async ({ words, cell }) => {
    const result = await runOracle(words, { home, path: path() });
    expect(answerOf(result), `${result.stdout}${result.stderr}`).toBe(cell);
  });
});
