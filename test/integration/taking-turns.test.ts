// The real Barman and we in turn on one catalog, for hundreds of random steps: whatever the other one did to the WAL index, ours must
// say what a naive reading of it says. Most steps are done here in Barman's way (a program's start would take most of the time); the real
// one archives, deletes, rebuilds and lists between them.
import { existsSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatBackupInfo } from '../../src/catalog/backups/backup-info.ts';
import { readBackupRecords } from '../../src/catalog/backups/backup-records.ts';
import { readLedger } from '../../src/catalog/index/read-ledger.ts';
import { WalIndex } from '../../src/catalog/index/wal-index.ts';
import { backupInfoPath, type ServerLayout, xlogdbPath } from '../../src/catalog/server-layout.ts';
import { defaultSegmentSize, type SegmentName, segmentAtIndex } from '../../src/wal/wal-name.ts';
import { describeWithOracle } from '../helpers/installations.ts';
import { layoutOf } from '../helpers/layout-of.ts';
import { runOracle } from '../helpers/run-oracle.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import type { ProgramResult } from '../helpers/run-program.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { sketchBackup } from '../helpers/write-catalog.ts';
import { answersOf, naiveAnswers } from '../unit/catalog/naive-ledger.ts';

const steps = 500;

/** What a step does, and how often it comes up. */
const kinds: Readonly<Record<string, number>> = {
  'Barman appended a line': 40,
  'we appended a line': 24,
  'Barman removed lines in place': 8,
  'Barman changed a line in place': 6,
  'a backup was taken': 8,
  'our archive-wal': 3,
  "Barman's archive-wal": 4,
  'our delete': 2,
  "Barman's delete": 3,
  'our rebuild-xlogdb': 1,
  "Barman's rebuild-xlogdb": 2,
  'both listings': 3,
};

/** A catalog that both work on, with what comes next. */
class Stage {
  readonly home: TestHome;
  readonly layout: ServerLayout;
  #nextSegment = 1;
  #nextBackup = 0;

  constructor(home: TestHome) {
    this.home = home;
    this.layout = layoutOf(home, 'main');
  }

  get index(): string {
    return xlogdbPath(this.layout);
  }

  /** A new segment in the archive, or where `archive-wal` finds it; sometimes one is lost on the way. */
  async newSegment(folder: string, choice: number): Promise<{ readonly name: SegmentName; readonly time: number }> {
    if (choice % 17 === 0) this.#nextSegment++;
    const name = segmentAtIndex(1, this.#nextSegment++, defaultSegmentSize);
    const time = 1_700_000_000 + this.#nextSegment * 60;
    const place = folder === 'wals' ? join(this.layout.wals, name.slice(0, 16)) : this.layout.incoming;
    await mkdir(place, { recursive: true });
    await writeFile(join(place, name), 'x'.repeat(1000 + (choice % 50)));
    await utimes(join(place, name), time, time);
    return { name, time };
  }

  async newBackup(): Promise<void> {
    const day = new Date(Date.UTC(2024, 0, 1) + this.#nextBackup++ * 3_600_000).toISOString();
    const id = day.slice(0, 19).replaceAll(/[-:]/g, '');
    const backup = sketchBackup({ id, server: 'main', segment: Math.max(1, this.#nextSegment - 1) });
    await mkdir(join(this.layout.base, id, 'data'), { recursive: true });
    await writeFile(backupInfoPath(this.layout, backup.id), formatBackupInfo(backup));
  }

  async lines(): Promise<string[]> {
    const text = await readFile(this.index, 'utf8');
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => `${line}\n`);
  }

  /** As Barman does: the same file, cut where the new content ends. */
  async writeInPlace(lines: readonly string[]): Promise<void> {
    const text = lines.join('');
    await writeFile(this.index, text, { flag: 'r+' });
    await truncate(this.index, text.length);
  }

  async ours(...words: string[]): Promise<ProgramResult> {
    return await runPgcellar(words, { home: this.home });
  }

  async theirs(...words: string[]): Promise<ProgramResult> {
    return await runOracle(words, { home: this.home });
  }
}

const work: Readonly<Record<string, (stage: Stage, choice: number) => Promise<unknown>>> = {
  'Barman appended a line': async (stage, choice) => {
    const { name, time } = await stage.newSegment('wals', choice);
    await appendFile(stage.index, `${name}\t${String(1000 + (choice % 50))}\t${String(time)}.0\tNone\n`);
  },
  'we appended a line': async (stage, choice) => {
    const { name, time } = await stage.newSegment('wals', choice);
    await using index = await WalIndex.open(stage.layout);
    const size = 1000 + (choice % 50);
    await index.append([{ name, size, time, compression: null, encryption: null }]);
  },
  'Barman removed lines in place': async (stage, choice) => {
    const lines = await stage.lines();
    const gone = lines[choice % Math.max(lines.length, 1)];
    if (gone === undefined) return;
    await rm(join(stage.layout.wals, gone.slice(0, 16), gone.slice(0, 24)));
    await stage.writeInPlace(lines.filter((line) => line !== gone));
  },
  'Barman changed a line in place': async (stage, choice) => {
    const lines = await stage.lines();
    const position = choice % Math.max(lines.length, 1);
    const [name = '', , ...rest] = lines[position]?.split('\t') ?? [];
    if (name === '') return;
    const size = 1000 + ((choice >> 3) % 50);
    await writeFile(join(stage.layout.wals, name.slice(0, 16), name), 'x'.repeat(size));
    const time = Number(rest[0]);
    await utimes(join(stage.layout.wals, name.slice(0, 16), name), time, time);
    await stage.writeInPlace(lines.with(position, [name, String(size), ...rest].join('\t')));
  },
  'a backup was taken': async (stage) => await stage.newBackup(),
  'our archive-wal': async (stage, choice) => {
    await stage.newSegment('incoming', choice);
    expect(await stage.ours('archive-wal', 'main')).toMatchObject({ exitCode: 0 });
  },
  "Barman's archive-wal": async (stage, choice) => {
    await stage.newSegment('incoming', choice);
    expect(await stage.theirs('archive-wal', 'main')).toMatchObject({ exitCode: 0 });
  },
  'our delete': async (stage) => await deleteOldest(stage, async (...words) => await stage.ours(...words)),
  "Barman's delete": async (stage) => await deleteOldest(stage, async (...words) => await stage.theirs(...words)),
  'our rebuild-xlogdb': async (stage) => expect(await stage.ours('rebuild-xlogdb', 'main')).toMatchObject({ exitCode: 0 }),
  "Barman's rebuild-xlogdb": async (stage) =>
    expect(await stage.theirs('rebuild-xlogdb', 'main')).toMatchObject({ exitCode: 0 }),
  'both listings': async (stage) => {
    const [ours, theirs] = await Promise.all([
      stage.ours('-f', 'json', 'list-backups', 'main'),
      stage.theirs('-f', 'json', 'list-backups', 'main'),
    ]);
    expect(walSizesIn(ours)).toEqual(walSizesIn(theirs));
  },
};

describeWithOracle('Barman and we take turns on one catalog', () => {
  test(`for ${String(steps)} random steps, and our index equals a naive reading after each`, { timeout: 600_000 }, async () => {
    const server = { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres', minimum_redundancy: 0 };
    await using home = await createTestHome({ servers: { main: server } });
    const stage = new Stage(home);
    const { base, wals, incoming, streaming, errors, root } = stage.layout;
    for (const folder of [base, wals, incoming, streaming, errors, join(root, 'meta')])
      await mkdir(folder, { recursive: true });
    await writeFile(stage.index, '');
    const seed = Date.now() % 1_000_000;
    const kind = fc.oneof(...Object.entries(kinds).map(([name, weight]) => ({ weight, arbitrary: fc.constant(name) })));
    const plan = fc.sample(fc.record({ kind, choice: fc.nat(1_000_000) }), { seed, numRuns: steps });
    for (const [number, { kind: name, choice }] of plan.entries()) {
      const what = `step ${String(number)} of seed ${String(seed)}: ${name}`;
      await work[name]?.(stage, choice);
      await expectAgreement(stage, what);
    }
    await work['both listings']?.(stage, 0);
  });
});

async function deleteOldest(stage: Stage, run: (...words: string[]) => Promise<ProgramResult>): Promise<void> {
  const { backups } = await readBackupRecords(stage.layout);
  if (backups.length < 2) return;
  expect(await run('delete', 'main', 'oldest')).toMatchObject({ exitCode: 0 });
  expect((await readBackupRecords(stage.layout)).backups.map(({ id }) => id)).toEqual(backups.slice(1).map(({ id }) => id));
}

async function expectAgreement(stage: Stage, what: string): Promise<void> {
  const text = await readFile(stage.index, 'utf8');
  const asked = {
    segmentSize: defaultSegmentSize,
    spans: [[segmentAtIndex(1, 20, defaultSegmentSize), segmentAtIndex(1, 300, defaultSegmentSize)]],
  } as const;
  expect(answersOf(await readLedger(stage.layout), asked), what).toEqual(naiveAnswers(text, asked));
  const named = text
    .split('\n')
    .slice(0, -1)
    .map((line) => line.slice(0, 24));
  expect(
    named.filter((name) => !existsSync(join(stage.layout.wals, name.slice(0, 16), name))),
    what,
  ).toEqual([]);
  const records = (await readdir(join(stage.layout.root, 'meta'))).filter((name) => name.endsWith('-backup.info'));
  const { backups } = await readBackupRecords(stage.layout);
  expect(
    backups.map(({ id }) => `${id}-backup.info`),
    what,
  ).toEqual(records.toSorted());
}

function walSizesIn({ stdout }: ProgramResult): unknown {
  const { main = [] } = JSON.parse(stdout) as { main?: { backup_id: string; status: string; wal_size_bytes?: number }[] };
  return main.map(({ backup_id: id, status, wal_size_bytes: bytes }) => ({ id, status, bytes }));
}
