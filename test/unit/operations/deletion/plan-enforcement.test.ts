// Over 100,000 random catalogs: what retention deletes, whatever the policy, the tree of backups and the timelines are.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { KeepTarget } from '../../../../src/catalog/backups/annotations.ts';
import { type Backup, type BackupId, type BackupStatus, isCopyDone } from '../../../../src/catalog/backups/backup.ts';
import { isWalKept } from '../../../../src/catalog/backups/plan-deletion.ts';
import { type PlannedDeletion, planEnforcement } from '../../../../src/operations/deletion/plan-enforcement.ts';
import { WalExplainer } from '../../../../src/operations/wal/explain-wals.ts';
import { planRetention, type Verdict } from '../../../../src/retention/plan-retention.ts';
import { parseRetentionPolicy } from '../../../../src/retention/retention-policy.ts';
import { aBackup, anEntry, idOf } from '../../catalog/a-backup.ts';

interface Scene {
  readonly backups: readonly Backup[];
  readonly keeps: ReadonlyMap<BackupId, KeepTarget>;
  readonly verdicts: readonly Verdict[];
  readonly deletions: readonly PlannedDeletion[];
}

const statuses: readonly BackupStatus[] = ['DONE', 'DONE', 'DONE', 'DONE', 'WAITING_FOR_WALS', 'FAILED', 'STARTED', 'EMPTY'];

/** Backups in a row: each begins where the one before ended or later, perhaps on a newer timeline, perhaps built on an older one. */
const rows = fc.array(
  fc.record({
    status: fc.constantFrom(...statuses),
    /** How many backups before it is what it is built on; 0 for a full one. */
    parent: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 3 })),
    gap: fc.nat(2),
    length: fc.nat(2),
    newTimeline: fc.oneof({ weight: 6, arbitrary: fc.constant(false) }, fc.constant(true)),
    keep: fc.option(fc.constantFrom<KeepTarget>('full', 'standalone'), { freq: 4 }),
  }),
  { maxLength: 9 },
);
const policies = fc.oneof(
  fc.nat(3).map((count) => `REDUNDANCY ${String(count)}`),
  fc.nat(9).map((count) => `RECOVERY WINDOW OF ${String(count)} DAYS`),
);
const scenes = fc
  .record({ row: rows, policy: policies, minimumRedundancy: fc.nat(3), today: fc.integer({ min: 1, max: 20 }) })
  .map(({ row, policy, minimumRedundancy, today }): Scene => {
    const backups: Backup[] = [];
    const keeps = new Map<BackupId, KeepTarget>();
    let [segment, timeline] = [1, 1];
    for (const [index, { status, parent, gap, length, newTimeline, keep }] of row.entries()) {
      if (newTimeline) timeline++;
      const begin = segment + gap;
      segment = begin + length;
      const parentId = parent === 0 ? null : (backups[index - parent]?.id ?? null);
      const place = (number: number) => `${String(timeline)}:${number.toString(16)}`;
      const endTime = { epochMicros: BigInt(Date.UTC(2026, 0, index + 1, 13)) * 1000n, offsetMinutes: 0 };
      backups.push(
        aBackup({ day: index + 1, begin: place(begin), end: place(segment), status, parentBackupId: parentId, endTime }),
      );
      if (keep !== null && parentId === null && status === 'DONE') keeps.set(idOf(index + 1), keep);
    }
    const now = new Date(Date.UTC(2026, 0, today, 12));
    const verdicts = planRetention({ backups, keeps, policy: parseRetentionPolicy(policy)!, minimumRedundancy, now });
    return { backups, keeps, verdicts, deletions: planEnforcement({ backups, keeps, verdicts }) };
  });

/** Checks a claim on so many random catalogs. */
function holds(runs: number, claim: (scene: Scene) => void): void {
  fc.assert(fc.property(scenes, claim), { numRuns: runs });
}

const isGoodFull = ({ status, parentBackupId }: Backup) => status === 'DONE' && parentBackupId === null;

describe('whatever the policy and the catalog', () => {
  test('the last good full backup stays, and what is kept stays', () => {
    holds(20_000, ({ backups, keeps, deletions }) => {
      const gone = new Set(deletions.map(({ backup }) => backup.id));
      const lastGood = backups.findLast(isGoodFull);
      if (lastGood !== undefined) expect(gone.has(lastGood.id)).toBe(false);
      for (const id of keeps.keys()) expect(gone.has(id)).toBe(false);
    });
  });

  test('minimum_redundancy good full backups stay, as far as there are so many', () => {
    fc.assert(
      fc.property(rows, fc.nat(3), fc.nat(4), (row, minimumRedundancy, count) => {
        const backups = row.map(({ status }, index) => aBackup({ day: index + 1, status }));
        const policy = { kind: 'redundancy', count } as const;
        const verdicts = planRetention({ backups, keeps: new Map(), policy, minimumRedundancy, now: new Date(0) });
        const gone = new Set(planEnforcement({ backups, keeps: new Map(), verdicts }).map(({ backup }) => backup.id));
        const good = backups.filter(isGoodFull);
        const left = good.filter(({ id }) => !gone.has(id)).length;
        expect(left).toBe(Math.min(good.length, Math.max(minimumRedundancy, count, 1)));
      }),
      { numRuns: 20_000 },
    );
  });

  test('wherever the deletions are interrupted, no backup is without what it is built on', () => {
    holds(20_000, ({ backups, deletions }) => {
      const left = new Set(backups.map(({ id }) => id));
      const wasComplete = backups.filter(({ parentBackupId }) => parentBackupId === null || left.has(parentBackupId));
      for (const { backup } of deletions) {
        left.delete(backup.id);
        const orphan = wasComplete.find(({ id, parentBackupId }) => {
          return left.has(id) && parentBackupId !== null && !left.has(parentBackupId);
        });
        expect(orphan).toBeUndefined();
      }
    });
  });

  test('nothing goes that a running backup is built on', () => {
    holds(10_000, ({ backups, deletions }) => {
      const gone = new Set(deletions.map(({ backup }) => backup.id));
      for (const running of backups.filter(({ status }) => status === 'STARTED' || status === 'EMPTY')) {
        expect(gone.has(running.id)).toBe(false);
        for (let parent = running.parentBackupId; parent !== null; ) {
          expect(gone.has(parent)).toBe(false);
          parent = backups.find(({ id }) => id === parent)?.parentBackupId ?? null;
        }
      }
    });
  });

  test('wherever the deletions are interrupted, each backup that is left has the WAL from its begin to its end', () => {
    holds(20_000, ({ backups, deletions }) => {
      const left = new Map(backups.filter(isCopyDone).map((backup) => [backup.id, backup]));
      for (const { backup, wal } of deletions) {
        left.delete(backup.id);
        for (const { beginWal, endWal } of left.values()) {
          for (const name of [beginWal!, endWal!]) expect(isWalKept({ name }, wal)).toBe(true);
        }
      }
    });
  });

  test('each backup that is left and is not kept standalone has all later WAL of its timeline, for recovery to any point', () => {
    holds(10_000, ({ backups, keeps, deletions }) => {
      const left = new Map(backups.filter(isCopyDone).map((backup) => [backup.id, backup]));
      const wals = backups.flatMap(({ beginWal, endWal }) => [beginWal!, endWal!]);
      for (const { backup, wal } of deletions) {
        left.delete(backup.id);
        for (const { id, beginWal } of left.values()) {
          if (keeps.get(id) === 'standalone') continue;
          const later = wals.filter((name) => name.startsWith(beginWal!.slice(0, 8)) && name >= beginWal!);
          for (const name of later) expect(isWalKept({ name }, wal)).toBe(true);
        }
      }
    });
  });

  test('each WAL file has the fate that was reported', () => {
    const wals = Array.from({ length: 12 }, (_, number) => anEntry(`1:${number.toString(16)}`));
    holds(10_000, ({ backups, keeps, deletions }) => {
      const standalone = new Set([...keeps].filter(([, target]) => target === 'standalone').map(([id]) => id));
      const wrong = wals.filter((entry) => {
        const explainer = new WalExplainer(backups, { deletions, standalone });
        explainer.add(entry);
        const standing = explainer.ranges()[0]!.standing;
        const taking = deletions.find(({ wal }) => !isWalKept(entry, wal));
        return standing.kind === 'goes-with' ? standing.id !== taking?.backup.id : taking !== undefined;
      });
      expect(wrong).toEqual([]);
    });
  });
});

test('the oldest tree goes first, in it the youngest first', () => {
  const backups = [
    aBackup({ day: 1, begin: '1:1' }),
    aBackup({ day: 2, begin: '1:2' }),
    aBackup({ day: 3, begin: '1:3', parentBackupId: idOf(1) }),
    aBackup({ day: 4, begin: '1:4', parentBackupId: idOf(3) }),
    aBackup({ day: 5, begin: '1:5', parentBackupId: idOf(2) }),
    aBackup({ day: 6, begin: '1:6' }),
  ];
  const policy = parseRetentionPolicy('REDUNDANCY 1')!;
  const verdicts = planRetention({ backups, keeps: new Map(), policy, minimumRedundancy: 0, now: new Date(0) });
  const plan = planEnforcement({ backups, keeps: new Map(), verdicts });
  expect(plan.map(({ backup }) => backup.id)).toEqual([4, 3, 1, 5, 2].map(idOf));
});
