import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Backup } from '../../../../src/catalog/backups/backup.ts';
import {
  type DeletionFacts,
  isWalKept,
  type WalDeletion,
  WalDeletionPlanner,
} from '../../../../src/catalog/backups/plan-deletion.ts';
import { countUpTo, WalRemovals } from '../../../../src/catalog/index/wal-removals.ts';
import { aBackup, idOf, segmentOf, walOf } from '../a-backup.ts';

const segments = fc
  .tuple(fc.integer({ min: 1, max: 3 }), fc.nat({ max: 12 }))
  .map(([timeline, number]) => segmentOf(`${String(timeline)}:${number.toString(16)}`));

const deletions: fc.Arbitrary<WalDeletion> = fc.oneof(
  { weight: 1, arbitrary: fc.constant<WalDeletion>({ kind: 'none', reason: 'an older one needs it' }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('older-than' as const),
      limit: segments,
      limitTimeline: fc.constant(1),
      lowestTimeline: fc.integer({ min: 1, max: 3 }),
      protectedTimelines: fc.subarray([2, 3]).map((timelines) => new Set(timelines)),
      protectedRanges: fc.subarray([
        { first: segmentOf('1:2'), last: segmentOf('1:3') },
        { first: segmentOf('1:7'), last: segmentOf('1:7') },
      ]),
    }),
  },
);

const names = [1, 2, 3].flatMap((timeline) =>
  Array.from({ length: 14 }, (_, number) => `${String(timeline)}:${number.toString(16)}`).flatMap((short) => [
    walOf(short),
    walOf(`${short}.partial`),
    walOf(`${short}.00000028.backup`),
  ]),
);

test('of several deletions, the first that takes a file is the one that a look at each would find', () => {
  fc.assert(
    fc.property(fc.array(deletions, { maxLength: 8 }), (plans) => {
      const removals = new WalRemovals(plans);
      for (const name of [...names, walOf('00000002.history')]) {
        const first = plans.findIndex((plan) => !isWalKept({ name }, plan));
        expect(removals.firstTaking(name)).toBe(first === -1 ? undefined : first);
        if (first !== -1) expect(name < removals.latestLimit!).toBe(true);
      }
    }),
    { numRuns: 500 },
  );
});

test('nothing goes without a deletion', () => {
  expect(new WalRemovals([]).latestLimit).toBeUndefined();
  expect(new WalRemovals([{ kind: 'none', reason: 'needed' }]).firstTaking(walOf('1:1'))).toBeUndefined();
});

test('names up to one are counted with it', () => {
  expect(['1:2', '1:3', '1:4'].map((short) => countUpTo([segmentOf('1:3'), segmentOf('1:3')], walOf(short)))).toEqual([
    0, 2, 2,
  ]);
});

test('planning one deletion after the other says what planning each by itself says', () => {
  const backups = fc.array(
    fc.record({
      begin: segments,
      status: fc.constantFrom('DONE', 'DONE', 'WAITING_FOR_WALS', 'FAILED', 'STARTED', 'EMPTY'),
      isStandalone: fc.boolean(),
    }),
    { minLength: 1, maxLength: 9 },
  );
  fc.assert(
    fc.property(backups, fc.infiniteStream(fc.nat()), fc.boolean(), (sketches, choices, looksPastStandalone) => {
      let left = sketches.map(({ begin, status }, index): Backup => {
        const short = `${String(Number(begin.slice(0, 8)))}:${begin.slice(16)}`;
        return aBackup({ day: index + 1, begin: short, status: status as Backup['status'] });
      });
      const keeps = new Map(
        sketches.flatMap(({ isStandalone }, index) => (isStandalone ? [[idOf(index + 1), 'standalone'] as const] : [])),
      );
      const planner = new WalDeletionPlanner({ backups: left, keeps, looksPastStandalone });
      while (left.length > 0) {
        const going = left[choices.next().value % left.length]!;
        expect(planner.plan(going)).toEqual(naivePlan({ backups: left, keeps, looksPastStandalone }, going));
        planner.drop(going);
        left = left.filter(({ id }) => id !== going.id);
      }
    }),
    { numRuns: 500 },
  );
});

/** By the rules of docs/reference/catalog.md section 16, with a look at every backup. */
function naivePlan(facts: DeletionFacts, going: Backup): WalDeletion {
  const { backups, keeps, looksPastStandalone } = facts;
  const needs = ({ status, beginWal }: Backup): boolean =>
    ['DONE', 'WAITING_FOR_WALS'].includes(status) || (status === 'STARTED' && beginWal !== null);
  const older = backups.filter((backup) => backup.id < going.id && needs(backup)).toReversed();
  const blocking = older.find(({ id }) => !looksPastStandalone || keeps.get(id) !== 'standalone');
  if (blocking !== undefined) {
    const words = keeps.get(blocking.id) === 'standalone' ? 'is kept standalone' : 'is older and needs it';
    return { kind: 'none', reason: `backup ${blocking.id} ${words}` };
  }
  const newer = backups.find(({ id, status }) => id > going.id && ['DONE', 'WAITING_FOR_WALS'].includes(status));
  const next = (newer ?? going).beginWal!;
  const limitTimeline = Number(next.slice(0, 8));
  const begins = backups.filter((one) => one.id !== going.id && needs(one) && !older.includes(one)).map((one) => one.beginWal!);
  const [limit = next] = [next, ...begins].filter((begin) => Number(begin.slice(0, 8)) === limitTimeline).toSorted();
  const living = backups.filter(
    ({ id, status }) => id !== going.id && ['STARTED', 'WAITING_FOR_WALS', 'DONE'].includes(status),
  );
  return {
    kind: 'older-than',
    limit,
    limitTimeline,
    lowestTimeline: Math.min(...[limit, ...begins].map((begin) => Number(begin.slice(0, 8)))),
    protectedTimelines: new Set(living.map(({ timeline }) => timeline!).filter((timeline) => timeline !== limitTimeline)),
    protectedRanges: older.map(({ beginWal, endWal }) => ({ first: beginWal!, last: endWal! })),
  };
}
