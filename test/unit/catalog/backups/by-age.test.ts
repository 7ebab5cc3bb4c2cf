import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type Backup,
  type BackupId,
  byAge,
  emptyBackup,
  idAfter,
  parseBackupId,
} from '../../../../src/catalog/backups/backup.ts';
import { parseTimestamp } from '../../../../src/shared/timestamp.ts';
import { parseLsn } from '../../../../src/wal/lsn.ts';
import { aBackup, segmentOf } from '../a-backup.ts';

interface Sketch {
  readonly id: string;
  readonly time?: string;
  readonly lsn?: string;
  readonly timeline?: number;
  readonly systemid?: string;
}

function begun({ id, time, lsn, timeline = 1, systemid = '7000000000000000001' }: Sketch): Backup {
  return {
    ...emptyBackup(parseBackupId(id)!),
    systemid,
    timeline: lsn === undefined ? null : timeline,
    beginXlog: lsn === undefined ? null : parseLsn(lsn)!,
    beginTime: time === undefined ? null : parseTimestamp(time)!,
  };
}

const [early, late] = ['20261025T023000', '20261025T025500'];

test.each<{ fact: string; oldestFirst: Sketch[] }>([
  {
    fact: 'in the hour that is repeated, the position in the WAL decides',
    oldestFirst: [
      { id: '20261025T013000', time: '2026-10-25 01:30:00+02:00', lsn: '0/1000028' },
      { id: late, time: '2026-10-25 02:55:00+02:00', lsn: '0/3000028' },
      { id: early, time: '2026-10-25 02:30:00+01:00', lsn: '0/5000028' },
      { id: '20261025T040000', time: '2026-10-25 04:00:00+01:00', lsn: '0/7000028' },
    ],
  },
  {
    fact: 'after a step back of the clock too, whatever the times say',
    oldestFirst: [
      { id: '20261025T120000', time: '2026-10-25 12:00:00+00:00', lsn: '0/3000028' },
      { id: '20261025T100000', time: '2026-10-25 10:00:00+00:00', lsn: '0/5000028' },
      { id: '20261025T110000', time: '2026-10-25 11:00:00+00:00', lsn: 'A/5000028' },
    ],
  },
  {
    fact: 'between timelines, the time with its zone decides',
    oldestFirst: [
      { id: late, time: '2026-10-25 02:55:00+02:00', lsn: '0/7000028', timeline: 1 },
      { id: early, time: '2026-10-25 02:30:00+01:00', lsn: '0/5000028', timeline: 2 },
    ],
  },
  {
    fact: 'a cluster that went back to its first timeline has its newest backup there',
    oldestFirst: [
      { id: '20261001T000000', time: '2026-10-01 00:00:00+00:00', lsn: '0/3000028', timeline: 1 },
      { id: '20261002T000000', time: '2026-10-02 00:00:00+00:00', lsn: '0/5000028', timeline: 2 },
      { id: '20261003T000000', time: '2026-10-03 00:00:00+00:00', lsn: '0/4000028', timeline: 1 },
    ],
  },
  {
    fact: 'positions of two clusters are not compared: an upgrade begins at a low one',
    oldestFirst: [
      { id: '20261001T000000', time: '2026-10-01 00:00:00+00:00', lsn: 'F/3000028', timeline: 3 },
      { id: '20261002T000000', time: '2026-10-02 00:00:00+00:00', lsn: '0/3000028', systemid: '7000000000000000002' },
    ],
  },
  {
    fact: 'a backup without a position is ordered by its time, between those that have one',
    oldestFirst: [
      { id: '20261001T000000', time: '2026-10-01 00:00:00+00:00', lsn: '0/3000028' },
      { id: '20261002T000000', time: '2026-10-02 00:00:00+00:00' },
      { id: '20261003T000000', time: '2026-10-03 00:00:00+00:00', lsn: '0/5000028' },
      { id: '20261004T000000' },
      { id: '20261005T000000', time: '2026-10-05 00:00:00+00:00', lsn: '0/6000028' },
    ],
  },
  {
    fact: 'two that began at one position, as on a standby, go by their times',
    oldestFirst: [
      { id: late, time: '2026-10-25 02:55:00+02:00', lsn: '0/3000028' },
      { id: early, time: '2026-10-25 02:30:00+01:00', lsn: '0/3000028' },
    ],
  },
])('$fact', ({ oldestFirst }) => {
  const ids = oldestFirst.map(({ id }) => id);
  expect(byAge(oldestFirst.map(begun)).map(({ id }) => id)).toEqual(ids);
  expect(byAge(oldestFirst.toReversed().map(begun)).map(({ id }) => id)).toEqual(ids);
});

test('a record without a position has the one of its begin WAL', () => {
  const backups = [aBackup({ day: 2, begin: '1:2' }), aBackup({ day: 1, begin: '1:5' })];
  expect(byAge(backups)).toEqual(backups);
});

const sketches = fc.uniqueArray(
  fc.record(
    {
      id: fc.integer({ min: 10, max: 59 }).map((minute) => `20261025T02${String(minute)}00`),
      time: fc.integer({ min: 10, max: 59 }).map((minute) => `2026-10-25 02:${String(minute)}:00+00:00`),
      lsn: fc.integer({ min: 1, max: 30 }).map((number) => `0/${number.toString(16)}000028`),
      timeline: fc.integer({ min: 1, max: 3 }),
      systemid: fc.constantFrom('1', '2'),
    },
    { requiredKeys: ['id'] },
  ),
  { maxLength: 14, selector: ({ id }) => id },
) as fc.Arbitrary<Sketch[]>;

test('the order is one of positions on each timeline, keeps every backup, and is the same however they came', () => {
  fc.assert(
    fc.property(sketches, fc.infiniteStream(fc.nat()), (drawn, choices) => {
      const backups = drawn.map(begun);
      const ordered = byAge(backups);
      expect(ordered.map(({ id }) => id).toSorted()).toEqual(backups.map(({ id }) => id).toSorted());
      const last = new Map<string, bigint>();
      for (const { systemid, timeline, beginXlog } of ordered) {
        if (timeline === null || beginXlog === null) continue;
        const line = `${String(systemid)} ${String(timeline)}`;
        expect(beginXlog >= (last.get(line) ?? 0n)).toBe(true);
        last.set(line, beginXlog);
      }
      const shuffled = backups
        .map((backup) => [choices.next().value, backup] as const)
        .toSorted(([a], [b]) => a - b)
        .map(([, backup]) => backup);
      expect(byAge(shuffled)).toEqual(ordered);
    }),
    { numRuns: 500 },
  );
});

test('where ids, times and positions agree it is the order of ids', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 20 }), (isPlaced) => {
      const backups = isPlaced.map((hasPosition, number) =>
        begun({
          id: `20261025T02${String(number + 10)}00`,
          time: `2026-10-25 02:${String(number + 10)}:00+00:00`,
          ...(hasPosition ? { lsn: `0/${(number + 1).toString(16)}000028`, timeline: 1 + (number >> 3) } : {}),
        }),
      );
      expect(byAge(backups.toReversed())).toEqual(backups);
    }),
  );
});

test.each([
  ['20261025T025959', '20261025T030000'],
  ['20261231T235959', '20270101T000000'],
  ['20280228T235959', '20280229T000000'],
  ['99991231T235959', undefined],
  ['20261332T000000', undefined],
])('after %s comes %s', (id, next) => {
  expect(idAfter(id as BackupId)).toBe(next);
});

test('a segment is a position of its own size', () => {
  const small = { ...aBackup({ day: 1 }), beginWal: segmentOf('1:9'), xlogSegmentSize: 1_048_576 };
  const large = { ...aBackup({ day: 2 }), beginWal: segmentOf('1:2') };
  expect(byAge([large, small])).toEqual([small, large]);
});
