import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Backup } from '../../../../src/catalog/backups/backup.ts';
import { neighboursOf } from '../../../../src/catalog/backups/find-backup.ts';
import { LedgerBuilder } from '../../../../src/catalog/index/ledger-builder.ts';
import { walStatistics } from '../../../../src/catalog/index/wal-statistics.ts';
import { aBackup, anEntry, segmentOf } from '../a-backup.ts';

const mib = 1024 * 1024;

/** `1:2@100` is written 100 seconds after the start, and a quarter of its size when compressed. */
function entries(...texts: readonly string[]) {
  return texts.map((text) => {
    const [short = '', seconds = '0'] = text.split('@');
    return anEntry(short, { time: Number(seconds), size: 4 * mib, compression: 'gzip' });
  });
}

function statistics(backups: readonly Backup[], backup: Backup, wals: readonly string[]) {
  const builder = new LedgerBuilder();
  for (const entry of entries(...wals)) builder.add(entry);
  return walStatistics(builder.build(), backup, neighboursOf(backups, backup).next);
}

test('a backup needs what lies between its begin and its end, and is followed by the rest', () => {
  const backup = aBackup({ begin: '1:2', end: '1:3' });
  expect(statistics([backup], backup, ['1:1@0', '1:2@100', '1:3@110', '1:4@120', '1:5@140'])).toEqual({
    neededCount: 2,
    neededBytes: 8 * mib,
    laterCount: 2,
    laterBytes: 8 * mib,
    last: segmentOf('1:5'),
    lastTime: 140,
    neededRatio: 0.75,
    laterRatio: 0.75,
    perSecond: 4 / 40,
  });
});

test('the WAL after a backup ends with the end of the next usable backup', () => {
  const backup = aBackup({ day: 1, begin: '1:2' });
  const failed = aBackup({ day: 2, begin: '1:3', status: 'FAILED' });
  const next = aBackup({ day: 3, begin: '1:5', end: '1:6' });
  const found = statistics([backup, failed, next], backup, ['1:2@0', '1:4@10', '1:6@20', '1:7@30']);
  expect(found).toMatchObject({ neededCount: 1, laterCount: 2, last: segmentOf('1:6'), perSecond: 3 / 20 });
});

test('labels, partial segments and histories are not counted', () => {
  const backup = aBackup({ begin: '1:2' });
  const found = statistics([backup], backup, ['1:2@0', '1:2.00000028.backup@5', '1:3.partial@6', '00000002.history@7']);
  expect(found).toMatchObject({ neededCount: 1, laterCount: 0, last: segmentOf('1:2'), perSecond: undefined });
});

test('WAL of later timelines is not counted', () => {
  const backup = aBackup({ begin: '2:2' });
  expect(statistics([backup], backup, ['1:9@0', '2:2@1', '2:3@2', '3:3@3'])).toMatchObject({ neededCount: 1, laterCount: 1 });
});

test.each([
  { title: 'without its begin segment', wals: ['1:3@10'] },
  { title: 'from a single segment', wals: ['1:2@10'] },
  { title: 'when the last one is not younger than the first', wals: ['1:2@10', '1:3@10'] },
  { title: 'without any WAL', wals: [] },
])('a rate cannot be told $title', ({ wals }) => {
  const backup = aBackup({ begin: '1:2' });
  expect(statistics([backup], backup, wals).perSecond).toBeUndefined();
});

test('a backup without begin or end counts nothing', () => {
  const backup = { ...aBackup(), endWal: null };
  expect(statistics([backup], backup, ['1:2@0', '1:3@1'])).toEqual({
    neededCount: 0,
    neededBytes: 0,
    laterCount: 0,
    laterBytes: 0,
    last: undefined,
    lastTime: undefined,
    neededRatio: 0,
    laterRatio: 0,
    perSecond: undefined,
  });
});

test('the order of the index does not matter', () => {
  const wals = ['1:2@100', '1:3@110', '1:4@120', '1:5@140', '1:6@150', '1:7@160'];
  const [backup, next] = [aBackup({ day: 1, begin: '1:2', end: '1:3' }), aBackup({ day: 2, begin: '1:6' })];
  const inOrder = statistics([backup, next], backup, wals);
  fc.assert(
    fc.property(fc.shuffledSubarray(wals, { minLength: wals.length }), (shuffled) => {
      expect(statistics([backup, next], backup, shuffled)).toEqual(inOrder);
    }),
  );
});
