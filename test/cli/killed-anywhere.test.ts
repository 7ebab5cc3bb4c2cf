import { existsSync } from 'node:fs';
import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { isCopyDone } from '../../src/catalog/backups/backup.ts';
import { readBackupRecords } from '../../src/catalog/backups/backup-records.ts';
import { readLedger } from '../../src/catalog/index/read-ledger.ts';
import { layoutOf } from '../helpers/layout-of.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import type { ProgramResult } from '../helpers/run-program.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { aSegment } from '../helpers/wal-segment.ts';
import { largeCatalogIds, writeLargeCatalog } from '../helpers/write-large-catalog.ts';
import { answersOf, naiveAnswers } from '../unit/catalog/naive-ledger.ts';

const killer = fileURLToPath(new URL('../helpers/kill-at.cjs', import.meta.url));
const size = { backups: 5, segments: 10, withWalFiles: true };
const ids = largeCatalogIds(size.backups);

interface Scenario {
  readonly title: string;
  readonly prepare?: (home: TestHome) => Promise<void>;
  readonly words: readonly string[];
  /** Every change is one too many where most of them are those of another scenario. */
  readonly stride?: number;
  /** What the end has to look like, however often the command was killed before. */
  readonly backups: readonly string[];
  readonly segments: number;
}

const newSegment = '00000001000000000000000B';
const scenarios: readonly Scenario[] = [
  { title: 'a retention pass that deletes two backups', words: ['cron'], stride: 4, backups: ids.slice(2), segments: 6 },
  { title: 'the deletion of the oldest backup', words: ['delete', 'main', 'oldest'], backups: ids.slice(1), segments: 8 },
  {
    title: 'a listing that brings its index up to date',
    prepare: async (home) => await foreignRewrite(home),
    words: ['list-backups', 'main'],
    backups: ids,
    segments: 10,
  },
  {
    title: 'a rebuild of the WAL index',
    prepare: async (home) => await writeFile(indexPath(home), ''),
    words: ['rebuild-xlogdb', 'main'],
    backups: ids,
    segments: 10,
  },
  {
    title: 'the archiving of a segment',
    prepare: async (home) => {
      const content = aSegment(11, { bytes: 1 << 24, systemid: 7_000_000_000_000_000_001n });
      await writeFile(home.server('main', 'incoming', newSegment), content);
    },
    words: ['archive-wal', 'main'],
    backups: ids,
    segments: 11,
  },
];

// hundreds of runs one after the other: on a busy machine they take minutes
test.each(scenarios)('$title can be killed before any of its changes', { timeout: 600_000 }, async (scenario) => {
  let killed = 0;
  for (let step = 1; ; step += scenario.stride ?? 1) {
    await using home = await aHome(scenario);
    const { signal } = await run(home, scenario, step);
    await expectSound(home);
    if (signal === undefined) break;
    killed++;
    // a deletion by hand goes on with the next cron
    expect(await run(home, scenario.words[0] === 'delete' ? { ...scenario, words: ['cron'] } : scenario)).toMatchObject({
      exitCode: 0,
    });
    if (scenario.words[0] === 'delete' && (await recordIds(home)).length === ids.length) continue; // it had not begun
    expect(await recordIds(home)).toEqual(scenario.backups);
    expect(await indexedNames(home)).toHaveLength(scenario.segments);
    expect(await leftovers(home)).toEqual([]);
    await expectSound(home);
  }
  expect(killed).toBeGreaterThan(3);
});

async function aHome({ prepare, title }: Scenario): Promise<TestHome> {
  const isRetention = title.includes('retention');
  const server = {
    conninfo: 'host=127.0.0.1 port=1',
    backup_method: 'postgres',
    archiver: title.includes('archiving'),
    retention_policy: `REDUNDANCY ${isRetention ? '3' : '9'}`,
  };
  const home = await createTestHome({ servers: { main: server } });
  await writeLargeCatalog(home, 'main', size);
  await readLedger(layoutOf(home, 'main'));
  await prepare?.(home);
  return home;
}

async function run(home: TestHome, { words }: Pick<Scenario, 'words'>, killAt?: number): Promise<ProgramResult> {
  const env = killAt === undefined ? {} : { NODE_OPTIONS: `--require ${killer}`, KILL_AT: String(killAt) };
  return await runPgcellar(words, { home, env });
}

/** Whatever happened: a backup that is usable has its files and its first segment, and the ledger says what the index says. */
async function expectSound(home: TestHome): Promise<void> {
  const layout = layoutOf(home, 'main');
  const { backups, broken } = await readBackupRecords(layout);
  const files = await archivedFiles(home);
  for (const { id } of backups.filter(isCopyDone)) {
    expect(existsSync(home.server('main', 'base', id, 'data', 'PG_VERSION'))).toBe(true);
    expect(files).toContain(segment(1 + 2 * ids.indexOf(id)));
  }
  expect(broken).toEqual([]);
  const asked = { segmentSize: 1 << 24, spans: [[segment(1), segment(9)]] } as const;
  const answers = answersOf(await readLedger(layout), asked);
  expect(answers).toEqual(naiveAnswers(await readFile(indexPath(home), 'utf8'), asked));
}

/** As Barman does after a deletion: the same file, shorter, then a line more. */
async function foreignRewrite(home: TestHome): Promise<void> {
  const lines = (await readFile(indexPath(home), 'utf8')).split('\n');
  await writeFile(indexPath(home), `${lines.slice(1, 10).join('\n')}\n`);
  await appendFile(indexPath(home), `${lines[0] ?? ''}\n`);
}

async function leftovers(home: TestHome): Promise<string[]> {
  const [meta, base] = [await readdir(home.server('main', 'meta')), await readdir(home.server('main', 'base'))];
  const known = await recordIds(home);
  const indexed = await indexedNames(home);
  return [
    ...meta.filter((name) => !name.endsWith('-backup.info')),
    ...base.filter((name) => !known.includes(name)),
    ...(await archivedFiles(home)).filter((name) => !indexed.includes(name)),
    ...indexed.filter((name) => !existsSync(home.server('main', 'wals', name.slice(0, 16), name))),
  ];
}

async function recordIds(home: TestHome): Promise<string[]> {
  const names = await readdir(home.server('main', 'meta'));
  return names
    .filter((name) => name.endsWith('-backup.info'))
    .map((name) => name.slice(0, 15))
    .toSorted();
}

async function indexedNames(home: TestHome): Promise<string[]> {
  const lines = (await readFile(indexPath(home), 'utf8')).split('\n');
  return lines.slice(0, -1).map((line) => line.slice(0, 24));
}

async function archivedFiles(home: TestHome): Promise<string[]> {
  const folder = home.server('main', 'wals', '0000000100000000');
  return existsSync(folder) ? (await readdir(folder)).filter((name) => /^[0-9A-F]{24}$/.test(name)) : [];
}

function segment(number: number): string {
  return `0000000100000000${number.toString(16).toUpperCase().padStart(8, '0')}`;
}

function indexPath(home: TestHome): string {
  return join(home.server('main', 'wals'), 'main-xlog.db');
}
