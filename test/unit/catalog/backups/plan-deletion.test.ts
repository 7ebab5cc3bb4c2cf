import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { KeepTarget } from '../../../../src/catalog/backups/annotations.ts';
import { type Backup, type BackupId, isCopyDone } from '../../../../src/catalog/backups/backup.ts';
import {
  type DeletionFacts,
  isWalKept,
  planFirstBackupPurge,
  subtreeOf,
  type WalDeletion,
  WalDeletionPlanner,
} from '../../../../src/catalog/backups/plan-deletion.ts';
import { aBackup, anEntry, idOf, walOf } from '../a-backup.ts';

interface Sketch {
  readonly title: string;
  readonly backups: readonly Backup[];
  /** Day of the backup that goes. */
  readonly going: number;
  readonly keeps?: Readonly<Record<number, KeepTarget>>;
  readonly looksPastStandalone?: boolean;
  /** WAL in the archive; `gone` of it goes. */
  readonly wals: readonly string[];
  readonly gone: readonly string[];
}

const facts = ({
  backups,
  keeps = {},
  looksPastStandalone = false,
}: Omit<Sketch, 'title' | 'going' | 'wals' | 'gone'>): DeletionFacts => ({
  backups,
  keeps: new Map(Object.entries(keeps).map(([day, target]): [BackupId, KeepTarget] => [idOf(Number(day)), target])),
  looksPastStandalone,
});

function goneOf(plan: WalDeletion, wals: readonly string[]): string[] {
  return wals.filter((short) => !isWalKept(anEntry(short), plan));
}

test.each<Sketch>([
  {
    title: 'while an older backup stays, all WAL stays',
    backups: [aBackup({ day: 1, begin: '1:2' }), aBackup({ day: 2, begin: '1:5' }), aBackup({ day: 3, begin: '1:8' })],
    going: 2,
    wals: ['1:1', '1:2', '1:5', '1:6', '1:8'],
    gone: [],
  },
  {
    title: 'while an older one is still being copied, all WAL stays',
    backups: [
      aBackup({ day: 1, begin: '1:2', status: 'SYNCING' }),
      aBackup({ day: 2, begin: '1:5' }),
      aBackup({ day: 3, begin: '1:8' }),
    ],
    going: 2,
    wals: ['1:2', '1:5', '1:8'],
    gone: [],
  },
  {
    title: 'with the oldest backup goes what lies before the next one',
    backups: [aBackup({ day: 1, begin: '1:2' }), aBackup({ day: 2, begin: '1:5' })],
    going: 1,
    wals: ['1:1', '1:2', '1:2.00000028.backup', '1:4', '1:4.partial', '1:5', '1:5.00000028.backup', '1:6'],
    gone: ['1:1', '1:2', '1:2.00000028.backup', '1:4', '1:4.partial'],
  },
  {
    title: 'with the last backup goes what lies before its own begin',
    backups: [aBackup({ day: 1, begin: '1:5' })],
    going: 1,
    wals: ['1:4', '1:5', '1:6'],
    gone: ['1:4'],
  },
  {
    title: 'a failed backup holds no WAL, neither before nor after',
    backups: [
      aBackup({ day: 1, begin: '1:2', status: 'FAILED' }),
      aBackup({ day: 2, begin: '1:4' }),
      aBackup({ day: 3, begin: '1:6', status: 'FAILED' }),
      aBackup({ day: 4, begin: '1:8' }),
    ],
    going: 2,
    wals: ['1:2', '1:6', '1:7', '1:8'],
    gone: ['1:2', '1:6', '1:7'],
  },
  {
    title: 'a backup that waits for its WAL counts as one that stays',
    backups: [aBackup({ day: 1, begin: '1:2', status: 'WAITING_FOR_WALS' }), aBackup({ day: 2, begin: '1:5' })],
    going: 2,
    wals: ['1:1', '1:2', '1:5'],
    gone: [],
  },
  {
    title: 'an incremental counts as a backup that stays',
    backups: [
      aBackup({ day: 1, begin: '1:2' }),
      aBackup({ day: 2, begin: '1:4', parentBackupId: idOf(1) }),
      aBackup({ day: 3, begin: '1:8' }),
    ],
    going: 3,
    wals: ['1:2', '1:7'],
    gone: [],
  },
  {
    title: 'history files never go',
    backups: [aBackup({ day: 1, begin: '2:2' }), aBackup({ day: 2, begin: '3:5' })],
    going: 1,
    wals: ['00000002.history', '00000003.history', '2:2'],
    gone: ['2:2'],
  },
  {
    title: 'timelines that other backups live on are protected, but not the one of the limit',
    backups: [
      aBackup({ day: 1, begin: '1:2' }),
      aBackup({ day: 2, begin: '3:8' }),
      aBackup({ day: 3, begin: '2:9' }),
      aBackup({ day: 4, begin: '3:B' }),
    ],
    going: 1,
    wals: ['1:9', '2:1', '3:7', '3:8'],
    gone: ['1:9', '3:7'],
  },
  {
    title: 'a backup that has just started protects its timeline, one that failed does not',
    backups: [
      aBackup({ day: 1, begin: '1:2' }),
      aBackup({ day: 2, begin: '3:5' }),
      aBackup({ day: 3, begin: '2:3', status: 'STARTED' }),
      aBackup({ day: 4, begin: '1:3', status: 'FAILED' }),
    ],
    going: 1,
    wals: ['1:3', '2:3', '3:4'],
    gone: ['1:3', '3:4'],
  },
  {
    title: 'a backup by hand stops at one that is kept standalone',
    backups: [
      aBackup({ day: 1, begin: '1:2', end: '1:3' }),
      aBackup({ day: 2, begin: '1:6' }),
      aBackup({ day: 3, begin: '1:9' }),
    ],
    going: 2,
    keeps: { 1: 'standalone' },
    wals: ['1:2', '1:4', '1:6', '1:9'],
    gone: [],
  },
  {
    title: 'retention looks past backups kept standalone, and leaves what they need themselves',
    backups: [
      aBackup({ day: 1, begin: '1:2', end: '1:3' }),
      aBackup({ day: 2, begin: '1:5', end: '1:5' }),
      aBackup({ day: 3, begin: '1:7' }),
      aBackup({ day: 4, begin: '1:9' }),
    ],
    going: 3,
    keeps: { 1: 'standalone', 2: 'standalone' },
    looksPastStandalone: true,
    wals: ['1:1', '1:2', '1:2.00000028.backup', '1:3', '1:3.partial', '1:4', '1:5', '1:6', '1:7', '1:8', '1:9'],
    gone: ['1:1', '1:4', '1:6', '1:7', '1:8'],
  },
  {
    title: 'retention stops at an older backup that is kept in full, behind one that is kept standalone',
    backups: [aBackup({ day: 1, begin: '1:2' }), aBackup({ day: 2, begin: '1:5' }), aBackup({ day: 3, begin: '1:7' })],
    going: 3,
    keeps: { 1: 'full', 2: 'standalone' },
    looksPastStandalone: true,
    wals: ['1:1', '1:4', '1:6'],
    gone: [],
  },
  {
    title: 'a last backup that failed before it began takes no WAL with it',
    backups: [{ ...aBackup({ day: 1, status: 'FAILED' }), beginWal: null, endWal: null }],
    going: 1,
    wals: ['1:1', '1:2'],
    gone: [],
  },
  {
    title: 'a backup that failed before it began takes what lies before the next one',
    backups: [{ ...aBackup({ day: 1, status: 'FAILED' }), beginWal: null, endWal: null }, aBackup({ day: 2, begin: '1:5' })],
    going: 1,
    wals: ['1:4', '1:5'],
    gone: ['1:4'],
  },
])('$title', ({ going, wals, gone, ...sketch }) => {
  const plan = new WalDeletionPlanner(facts(sketch)).plan(sketch.backups.find(({ id }) => id === idOf(going))!);
  expect(goneOf(plan, wals)).toEqual(gone);
});

test('when all WAL stays, the plan says why', () => {
  const backups = [aBackup({ day: 1 }), aBackup({ day: 2 })];
  expect(new WalDeletionPlanner(facts({ backups })).plan(backups[1]!)).toEqual({
    kind: 'none',
    reason: `backup ${idOf(1)} is older and needs it`,
  });
  expect(new WalDeletionPlanner(facts({ backups, keeps: { 1: 'standalone' } })).plan(backups[1]!)).toEqual({
    kind: 'none',
    reason: `backup ${idOf(1)} is kept standalone`,
  });
});

test('the first backup makes useless what lies before it, on its timeline and those without a backup', () => {
  const first = aBackup({ day: 2, begin: '2:5' });
  const plan = planFirstBackupPurge([aBackup({ day: 1, status: 'FAILED', begin: '2:1' }), first], first);
  expect(goneOf(plan, ['1:9', '2:4', '2:5', '2:6', '00000002.history'])).toEqual(['1:9', '2:4']);
});

test('a second backup, or one without begin WAL, makes nothing useless', () => {
  const second = aBackup({ day: 2, begin: '1:5' });
  expect(planFirstBackupPurge([aBackup({ day: 1 }), second], second).kind).toBe('none');
  expect(planFirstBackupPurge([], { ...second, beginWal: null }).kind).toBe('none');
});

test('the children of a backup are deleted before it', () => {
  const backups = [
    aBackup({ day: 1 }),
    aBackup({ day: 2, parentBackupId: idOf(1) }),
    aBackup({ day: 3, parentBackupId: idOf(2) }),
    aBackup({ day: 4, parentBackupId: idOf(1) }),
    aBackup({ day: 5 }),
  ];
  expect(subtreeOf(backups, backups[0]!).map(({ id }) => id)).toEqual([idOf(3), idOf(2), idOf(4), idOf(1)]);
  expect(subtreeOf(backups, backups[4]!).map(({ id }) => id)).toEqual([idOf(5)]);
});

/** Backups of one server: ids and begins grow together, timelines never fall. */
const servers = fc
  .array(
    fc.record({
      step: fc.nat({ max: 3 }),
      length: fc.nat({ max: 2 }),
      promotes: fc.boolean(),
      status: fc.constantFrom('DONE', 'DONE', 'WAITING_FOR_WALS', 'FAILED', 'STARTED', 'EMPTY'),
      keep: fc.constantFrom(undefined, undefined, 'full' as const, 'standalone' as const),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map((steps) => {
    let [timeline, number] = [1, 1];
    const keeps: Record<number, KeepTarget> = {};
    const backups = steps.map(({ step, length, promotes, status, keep }, index): Backup => {
      timeline += promotes ? 1 : 0;
      number += step;
      const at = (offset: number) => `${String(timeline)}:${(number + offset).toString(16)}`;
      if (keep !== undefined && status === 'DONE') keeps[index + 1] = keep;
      const backup = aBackup({ day: index + 1, begin: at(0), end: at(length), status: status as Backup['status'] });
      return status === 'EMPTY' ? { ...backup, beginWal: null, endWal: null, timeline: null } : backup;
    });
    return { backups, keeps };
  });

test('no deletion takes a segment at or after the limit, or one that another usable backup needs', () => {
  fc.assert(
    fc.property(servers, fc.nat(), fc.boolean(), ({ backups, keeps }, choice, looksPastStandalone) => {
      const going = backups[choice % backups.length]!;
      const plan = new WalDeletionPlanner(facts({ backups, keeps, looksPastStandalone })).plan(going);
      if (plan.kind === 'none') return;
      for (let timeline = 1; timeline <= 9; timeline++) {
        for (let number = 0; number <= 40; number++) {
          const entry = anEntry(`${String(timeline)}:${number.toString(16)}`);
          if (isWalKept(entry, plan)) continue;
          expect(entry.name < plan.limit).toBe(true);
          const needing = backups.filter(
            (other) =>
              other.id !== going.id &&
              isCopyDone(other) &&
              other.beginWal !== null &&
              other.endWal !== null &&
              entry.name >= other.beginWal &&
              entry.name <= other.endWal,
          );
          expect(needing).toEqual([]);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('WAL after a usable backup that is not kept standalone stays, on its timeline, until the end', () => {
  fc.assert(
    fc.property(servers, fc.nat(), ({ backups, keeps }, choice) => {
      const going = backups[choice % backups.length]!;
      const plan = new WalDeletionPlanner(facts({ backups, keeps, looksPastStandalone: true })).plan(going);
      const staying = backups
        .filter(({ id }) => id !== going.id && keeps[Number(id.slice(6, 8))] !== 'standalone')
        .filter(isCopyDone);
      for (const { beginWal } of staying) {
        for (let number = 0; number <= 40; number++) {
          const name = walOf(`${String(Number.parseInt(beginWal!.slice(0, 8), 16))}:${number.toString(16)}`);
          if (name >= beginWal!) expect(isWalKept({ name }, plan)).toBe(true);
        }
      }
    }),
    { numRuns: 300 },
  );
});

/** Backups whose ids, positions and timelines have nothing to do with each other. */
const disordered = fc
  .array(
    fc.record({
      timeline: fc.integer({ min: 1, max: 4 }),
      number: fc.integer({ min: 1, max: 12 }),
      status: fc.constantFrom('DONE', 'DONE', 'WAITING_FOR_WALS', 'FAILED', 'STARTED', 'SYNCING', 'EMPTY'),
      keep: fc.constantFrom(undefined, undefined, undefined, 'standalone' as const),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map((drawn) => {
    const keeps: Record<number, KeepTarget> = {};
    const backups = drawn.map(({ timeline, number, status, keep }, index): Backup => {
      if (keep !== undefined && status === 'DONE') keeps[index + 1] = keep;
      const begin = `${String(timeline)}:${number.toString(16)}`;
      return aBackup({
        day: index + 1,
        begin,
        end: `${String(timeline)}:${(number + 1).toString(16)}`,
        status: status,
      });
    });
    return { backups, keeps };
  });

test('the WAL that a remaining backup needs stays, whatever the ids say: from its begin on, on its timeline and any that may follow', () => {
  fc.assert(
    fc.property(disordered, fc.array(fc.nat(), { minLength: 1, maxLength: 4 }), ({ backups, keeps }, choices) => {
      const planner = new WalDeletionPlanner(facts({ backups, keeps, looksPastStandalone: true }));
      let left = backups;
      for (const choice of choices) {
        const going = left[choice % left.length];
        if (going === undefined) return;
        const plan = planner.plan(going);
        planner.drop(going);
        left = left.filter(({ id }) => id !== going.id);
        for (const { id, beginWal, endWal, status, timeline } of left) {
          if (!['DONE', 'WAITING_FOR_WALS', 'STARTED', 'SYNCING'].includes(status)) continue;
          for (let on = timeline!; on <= 5; on++) {
            const livesThere = left.some((other) => other.timeline === on && other.id !== id && other.status !== 'FAILED');
            for (let number = 0; number <= 20; number++) {
              const name = walOf(`${String(on)}:${number.toString(16)}`);
              const isOwn = on === timeline && name >= beginWal!;
              const isItsEnd = isOwn && name <= endWal!;
              const isNeeded =
                keeps[Number(id.slice(6, 8))] === 'standalone'
                  ? isItsEnd
                  : isOwn || (on > timeline! && !livesThere && on !== going.timeline);
              if (isNeeded) expect([id, name, isWalKept({ name }, plan)]).toEqual([id, name, true]);
            }
          }
        }
      }
    }),
    { numRuns: 1000 },
  );
});

test('of backups in the hour that is repeated, the one that began first keeps its WAL', () => {
  // the ids of 2 and 3 are in the wrong order: 3 was taken before 2
  const backups = [
    aBackup({ day: 1, begin: '1:2' }),
    aBackup({ day: 2, begin: '1:8' }),
    aBackup({ day: 3, begin: '1:5' }),
    aBackup({ day: 4, begin: '1:B' }),
  ];
  const plan = new WalDeletionPlanner(facts({ backups })).plan(backups[0]!);
  expect(goneOf(plan, ['1:2', '1:4', '1:5', '1:7', '1:8'])).toEqual(['1:2', '1:4']);
});

test('a timeline without a backup stays while one stays from which recovery may go along it', () => {
  const backups = [aBackup({ day: 1, begin: '1:2' }), aBackup({ day: 2, begin: '4:5' }), aBackup({ day: 3, begin: '2:6' })];
  const plan = new WalDeletionPlanner(facts({ backups })).plan(backups[0]!);
  expect(goneOf(plan, ['1:3', '2:1', '2:7', '3:1', '3:9', '4:4', '4:5'])).toEqual(['1:3', '4:4']);
});

test('a backup that began earlier in the WAL, whatever its id, is no reason to remove what lies before the first one', () => {
  const first = aBackup({ day: 2, begin: '1:5' });
  expect(planFirstBackupPurge([first, aBackup({ day: 3, begin: '1:3' })], first).kind).toBe('none');
});
