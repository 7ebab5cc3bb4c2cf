import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WalDeletionPlanner } from '../../../../src/catalog/backups/plan-deletion.ts';
import { LedgerBuilder } from '../../../../src/catalog/index/ledger-builder.ts';
import { WalExplainer } from '../../../../src/operations/wal/explain-wals.ts';
import { aBackup, anEntry, idOf } from '../../catalog/a-backup.ts';

test('WAL is grouped by what needs it, in the order of names', () => {
  const backups = [
    aBackup({ day: 1, begin: '1:2', end: '1:3' }),
    aBackup({ day: 2, begin: '1:6', end: '1:7' }),
    aBackup({ day: 3, begin: '2:9', end: '2:9' }),
  ];
  const explainer = new WalExplainer(backups, { deletions: [], standalone: new Set() });
  for (const short of ['1:1', '2:9', '1:2', '1:3', '1:4', '1:5', '1:6', '1:7', '1:8', '1:2.00000028.backup', '2:A', '2:B']) {
    explainer.add(anEntry(short, { size: 10 }));
  }
  explainer.add(anEntry('00000002.history', { size: 1 }));
  expect(
    explainer.ranges().map(({ standing, first, files, bytes }) => [Number(first.slice(16, 24)), standing, files, bytes]),
  ).toEqual([
    [1, { kind: 'needed-by-nothing' }, 1, 10],
    [2, { kind: 'needed-by', id: idOf(1) }, 3, 30],
    [4, { kind: 'recovery-from', id: idOf(1) }, 2, 20],
    [6, { kind: 'needed-by', id: idOf(2) }, 2, 20],
    [8, { kind: 'recovery-from', id: idOf(2) }, 1, 10],
    [0, { kind: 'history' }, 1, 1],
    [9, { kind: 'needed-by', id: idOf(3) }, 1, 10],
    [Number.NaN, { kind: 'recovery-from', id: idOf(3) }, 2, 20],
  ]);
});

test('between a standalone backup and the next one nothing is needed, and it goes with the one in between', () => {
  const [kept, going, next] = [
    aBackup({ day: 1, begin: '1:2', end: '1:3' }),
    aBackup({ day: 2, begin: '1:5', end: '1:5' }),
    aBackup({ day: 3, begin: '1:8', end: '1:8' }),
  ];
  const keeps = new Map([[kept.id, 'standalone' as const]]);
  const wal = new WalDeletionPlanner({ backups: [kept, going, next], keeps, looksPastStandalone: true }).plan(going);
  const explainer = new WalExplainer([kept, going, next], {
    deletions: [{ backup: going, reason: 'outside', wal }],
    standalone: new Set([kept.id]),
  });
  for (let number = 1; number < 10; number++) explainer.add(anEntry(`1:${String(number)}`));
  expect(explainer.ranges().map(({ standing, first, last }) => [first.slice(-1), last.slice(-1), standing])).toEqual([
    ['1', '1', { kind: 'goes-with', id: going.id }],
    ['2', '3', { kind: 'needed-by', id: kept.id }],
    ['4', '7', { kind: 'goes-with', id: going.id }],
    ['8', '8', { kind: 'needed-by', id: next.id }],
    ['9', '9', { kind: 'recovery-from', id: next.id }],
  ]);
});

test('a whole archive is grouped in one call as its files are one by one', () => {
  const shorts = fc.tuple(
    fc.integer({ min: 1, max: 3 }),
    fc.nat({ max: 20 }),
    fc.constantFrom('', '', '.partial', '.00000028.backup'),
  );
  const archives = fc.uniqueArray(
    shorts.map(([timeline, number, suffix]) => `${String(timeline)}:${number.toString(16)}${suffix}`),
    { maxLength: 40 },
  );
  const sketches = fc.array(fc.record({ step: fc.nat({ max: 4 }), length: fc.nat({ max: 2 }), promotes: fc.boolean() }), {
    minLength: 1,
    maxLength: 7,
  });
  fc.assert(
    fc.property(archives, sketches, fc.nat({ max: 7 }), fc.nat({ max: 3 }), (wals, steps, goingCount, keptDay) => {
      let [timeline, number] = [1, 0];
      const backups = steps.map(({ step, length, promotes }, index) => {
        timeline += promotes && timeline < 3 ? 1 : 0;
        number += step;
        const at = (offset: number) => `${String(timeline)}:${(number + offset).toString(16)}`;
        return aBackup({ day: index + 1, begin: at(0), end: at(length) });
      });
      const standalone = new Set(keptDay === 0 ? [] : [idOf(keptDay)]);
      const keeps = new Map([...standalone].map((id) => [id, 'standalone' as const]));
      const planner = new WalDeletionPlanner({ backups, keeps, looksPastStandalone: true });
      const deletions = backups
        .slice(0, goingCount)
        .filter(({ id }) => !standalone.has(id))
        .map((backup) => {
          const wal = planner.plan(backup);
          planner.drop(backup);
          return { backup, reason: 'obsolete', wal };
        });
      const entries = [...wals.map((short) => anEntry(short)), anEntry('00000002.history')];
      const builder = new LedgerBuilder();
      for (const entry of entries) builder.add(entry);
      const [whole, single] = [
        new WalExplainer(backups, { deletions, standalone }),
        new WalExplainer(backups, { deletions, standalone }),
      ];
      whole.addAll(builder.build());
      for (const entry of entries) single.add(entry);
      expect(whole.ranges()).toEqual(single.ranges());
    }),
    { numRuns: 1000 },
  );
});
