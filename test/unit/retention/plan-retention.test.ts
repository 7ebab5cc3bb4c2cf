import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Backup,
  type BackupId,
  type BackupStatus,
  emptyBackup,
  parseBackupId,
} from '../../../src/catalog/backups/backup.ts';
import { type KeepTarget, planRetention, type Verdict } from '../../../src/retention/plan-retention.ts';
import { parseRetentionPolicy } from '../../../src/retention/retention-policy.ts';
import { lsnFromBytes } from '../../../src/wal/lsn.ts';

interface Sketch {
  /** Day of January 2026 on which it began and ended. */
  readonly day: number;
  readonly status?: BackupStatus;
  readonly parent?: number;
  readonly keep?: KeepTarget;
  readonly hasEnd?: boolean;
}

interface Rules {
  readonly policy: string;
  readonly minimum?: number;
  /** Day of January 2026, at noon. */
  readonly today?: number;
}

describe('with a redundancy', () => {
  test.each<{ fact: string; rules: Rules; backups: Sketch[]; plan: string }>([
    {
      fact: 'the newest ones are valid',
      rules: { policy: 'REDUNDANCY 2' },
      backups: days(1, 2, 3),
      plan: '3 VALID, 2 VALID, 1 OBSOLETE',
    },
    {
      fact: 'none at all leaves the last good one, held back',
      rules: { policy: 'REDUNDANCY 0' },
      backups: days(1, 2),
      plan: '2 OBSOLETE*, 1 OBSOLETE',
    },
    {
      fact: 'minimum_redundancy raises it',
      rules: { policy: 'REDUNDANCY 0', minimum: 1 },
      backups: days(1, 2),
      plan: '2 VALID, 1 OBSOLETE',
    },
    {
      fact: 'only DONE ones count, and only they are judged',
      rules: { policy: 'REDUNDANCY 1' },
      backups: [
        { day: 1 },
        { day: 2 },
        { day: 3, status: 'FAILED' },
        { day: 4, status: 'WAITING_FOR_WALS' },
        { day: 5, status: 'STARTED' },
        { day: 6, status: 'SYNCING' },
        { day: 7, status: 'EMPTY' },
      ],
      plan: '6 -, 5 -, 4 -, 3 -, 2 VALID, 1 OBSOLETE',
    },
    {
      fact: 'a kept one uses up a place',
      rules: { policy: 'REDUNDANCY 2' },
      backups: [{ day: 1 }, { day: 2 }, { day: 3, keep: 'full' }],
      plan: '3 KEEP:FULL, 2 VALID, 1 OBSOLETE',
    },
    {
      fact: 'a kept one stays when it is old',
      rules: { policy: 'REDUNDANCY 1' },
      backups: [{ day: 1, keep: 'standalone' }, { day: 2, keep: 'full' }, { day: 3 }],
      plan: '3 VALID, 2 KEEP:FULL, 1 KEEP:STANDALONE',
    },
    {
      fact: 'incremental ones are not counted and stand with their root',
      rules: { policy: 'REDUNDANCY 1' },
      backups: [{ day: 1 }, { day: 2, parent: 1 }, { day: 3 }, { day: 4, parent: 3 }, { day: 5, parent: 2 }],
      plan: '5 OBSOLETE, 4 VALID, 3 VALID, 2 OBSOLETE, 1 OBSOLETE',
    },
    {
      fact: 'even a failed incremental one stands with its root',
      rules: { policy: 'REDUNDANCY 1' },
      backups: [{ day: 1 }, { day: 2, parent: 1, status: 'FAILED' }, { day: 3 }],
      plan: '3 VALID, 2 OBSOLETE, 1 OBSOLETE',
    },
    {
      fact: 'a backup that is built on the last good one is held back with it',
      rules: { policy: 'REDUNDANCY 0' },
      backups: [{ day: 1 }, { day: 2 }, { day: 3, parent: 2 }],
      plan: '3 OBSOLETE*, 2 OBSOLETE*, 1 OBSOLETE',
    },
    {
      fact: 'a kept one that is the last good one holds nothing else back',
      rules: { policy: 'REDUNDANCY 0' },
      backups: [{ day: 1 }, { day: 2, keep: 'standalone' }],
      plan: '2 KEEP:STANDALONE, 1 OBSOLETE',
    },
    {
      fact: 'children of what is not judged are not judged',
      rules: { policy: 'REDUNDANCY 0' },
      backups: [
        { day: 1, status: 'FAILED' },
        { day: 2, parent: 1 },
      ],
      plan: '2 -, 1 -',
    },
    {
      fact: 'an incremental one whose root is missing is not judged',
      rules: { policy: 'REDUNDANCY 0' },
      backups: [
        { day: 2, parent: 1 },
        { day: 3, parent: 2 },
      ],
      plan: '3 -, 2 -',
    },
    {
      fact: 'records that go in a circle are not judged',
      rules: { policy: 'REDUNDANCY 0' },
      backups: [
        { day: 2, parent: 3 },
        { day: 3, parent: 2 },
      ],
      plan: '3 -, 2 -',
    },
    {
      fact: 'children of a kept root are valid, those of a standalone one while it is inside',
      rules: { policy: 'REDUNDANCY 1' },
      backups: [
        { day: 1, keep: 'full' },
        { day: 2, parent: 1 },
        { day: 3, keep: 'standalone' },
        { day: 4, parent: 3 },
        { day: 5, keep: 'standalone' },
        { day: 6, parent: 5 },
      ],
      plan: '6 VALID, 5 KEEP:STANDALONE, 4 OBSOLETE, 3 KEEP:STANDALONE, 2 VALID, 1 KEEP:FULL',
    },
  ])('$fact', ({ rules, backups, plan }) => {
    expect(planned(backups, rules)).toBe(plan);
  });
});

describe('with a recovery window', () => {
  const week = 'RECOVERY WINDOW OF 7 DAYS';

  test.each<{ fact: string; rules: Rules; backups: Sketch[]; plan: string }>([
    {
      fact: 'the newest one from before the window is still valid',
      rules: { policy: week, today: 20 },
      backups: days(5, 10, 14, 18),
      plan: '18 VALID, 14 VALID, 10 VALID, 5 OBSOLETE',
    },
    { fact: 'a single one is valid for ever', rules: { policy: week, today: 200 }, backups: days(1), plan: '1 VALID' },
    {
      fact: 'minimum_redundancy holds back what is outside',
      rules: { policy: week, minimum: 3, today: 30 },
      backups: days(1, 2, 3, 4),
      plan: '4 VALID, 3 OBSOLETE*, 2 OBSOLETE*, 1 OBSOLETE',
    },
    {
      fact: 'a kept one stays and counts',
      rules: { policy: week, minimum: 2, today: 30 },
      backups: [{ day: 1 }, { day: 2, keep: 'full' }, { day: 3 }],
      plan: '3 VALID, 2 KEEP:FULL, 1 OBSOLETE',
    },
    {
      fact: 'a kept one can be the one that the window is recovered from',
      rules: { policy: week, today: 30 },
      backups: [{ day: 1 }, { day: 2 }, { day: 3, keep: 'full' }],
      plan: '3 KEEP:FULL, 2 OBSOLETE, 1 OBSOLETE',
    },
    {
      fact: 'an unfinished one does not cover the window',
      rules: { policy: week, today: 30 },
      backups: [{ day: 1 }, { day: 2 }, { day: 3, status: 'FAILED' }],
      plan: '3 -, 2 VALID, 1 OBSOLETE',
    },
    {
      fact: 'one without end time does not cover the window',
      rules: { policy: week, today: 30 },
      backups: [{ day: 1 }, { day: 2 }, { day: 3, hasEnd: false }],
      plan: '3 VALID, 2 VALID, 1 OBSOLETE',
    },
    {
      fact: 'children follow their root, held back or not',
      rules: { policy: week, minimum: 2, today: 30 },
      backups: [{ day: 1 }, { day: 2, parent: 1 }, { day: 3 }, { day: 4, parent: 3 }, { day: 5 }],
      plan: '5 VALID, 4 OBSOLETE*, 3 OBSOLETE*, 2 OBSOLETE, 1 OBSOLETE',
    },
    {
      fact: 'children of a standalone root outside are obsolete',
      rules: { policy: week, today: 30 },
      backups: [{ day: 1, keep: 'standalone' }, { day: 2, parent: 1 }, { day: 3 }],
      plan: '3 VALID, 2 OBSOLETE, 1 KEEP:STANDALONE',
    },
    {
      fact: 'a week is 7 days',
      rules: { policy: 'RECOVERY WINDOW OF 1 WEEK', today: 12 },
      backups: days(4, 5, 6),
      plan: '6 VALID, 5 VALID, 4 OBSOLETE',
    },
    {
      fact: 'a month is 31 days',
      rules: { policy: 'RECOVERY WINDOW OF 1 MONTH', today: 35 },
      backups: days(3, 4, 5),
      plan: '5 VALID, 4 VALID, 3 OBSOLETE',
    },
  ])('$fact', ({ rules, backups, plan }) => {
    expect(planned(backups, rules)).toBe(plan);
  });

  test('one that ended exactly where the window begins is inside', () => {
    const backups = [backup({ day: 1 }), backup({ day: 2 })];
    const now = new Date('2026-01-09T01:00:00Z');
    const plan = planRetention({ backups, keeps: new Map(), policy: policyOf(week), minimumRedundancy: 0, now });
    expect(plan.map(({ status }) => status)).toEqual(['VALID', 'VALID']);
    const later = planRetention({
      backups,
      keeps: new Map(),
      policy: policyOf(week),
      minimumRedundancy: 0,
      now: new Date(now.getTime() + 1),
    });
    expect(later.map(({ status }) => status)).toEqual(['VALID', 'OBSOLETE']);
  });
});

const sketches = fc.uniqueArray(
  fc.record(
    {
      day: fc.integer({ min: 1, max: 28 }),
      status: fc.constantFrom<BackupStatus>(
        'DONE',
        'DONE',
        'DONE',
        'FAILED',
        'WAITING_FOR_WALS',
        'STARTED',
        'EMPTY',
        'SYNCING',
      ),
      parent: fc.integer({ min: 1, max: 28 }),
      keep: fc.constantFrom<KeepTarget>('full', 'standalone'),
      hasEnd: fc.boolean(),
    },
    { requiredKeys: ['day', 'status'] },
  ),
  { selector: ({ day }) => day, maxLength: 12 },
);
const policies = fc.oneof(
  fc.nat(4).map((count) => `REDUNDANCY ${String(count)}`),
  fc
    .tuple(fc.nat(5), fc.constantFrom('DAYS', 'WEEKS', 'MONTHS'))
    .map(([count, unit]) => `RECOVERY WINDOW OF ${String(count)} ${unit}`),
);
const rulesOf = fc.record({ policy: policies, minimum: fc.nat(4), today: fc.integer({ min: 1, max: 120 }) });

test('the last good backup never expires, whatever the policy says', () => {
  fc.assert(
    fc.property(sketches, rulesOf, (backups, rules) => {
      const last = backups
        .filter(({ status, parent }) => status === 'DONE' && parent === undefined)
        .sort((a, b) => b.day - a.day)[0];
      fc.pre(last !== undefined);
      expect(verdicts(backups, rules).get(last.day)).not.toBe('OBSOLETE');
    }),
  );
});

test('at least minimum_redundancy good backups never expire', () => {
  fc.assert(
    fc.property(sketches, rulesOf, (backups, rules) => {
      const good = backups.filter(({ status, parent }) => status === 'DONE' && parent === undefined);
      const plan = verdicts(backups, rules);
      const left = good.filter(({ day }) => plan.get(day) !== 'OBSOLETE');
      expect(left.length).toBeGreaterThanOrEqual(Math.min(rules.minimum, good.length));
    }),
  );
});

test('a kept backup never expires, and each backup that is not EMPTY has one verdict, newest first', () => {
  fc.assert(
    fc.property(sketches, rulesOf, (backups, rules) => {
      const plan = verdicts(backups, rules);
      const judged = backups.filter(({ status }) => status !== 'EMPTY').map(({ day }) => day);
      expect([...plan.keys()]).toEqual(judged.toSorted((a, b) => b - a));
      const kept = backups.filter(
        ({ keep, parent, status }) => keep !== undefined && parent === undefined && status === 'DONE',
      );
      expect(kept.map(({ day }) => plan.get(day)).every((status) => status?.startsWith('KEEP'))).toBe(true);
    }),
  );
});

test('the order of the records does not matter', () => {
  fc.assert(
    fc.property(sketches, rulesOf, (backups, rules) => {
      expect(planned(backups.toReversed(), rules)).toBe(planned(backups, rules));
    }),
  );
});

describe('whatever the clock and the ids say', () => {
  /** Backups of one timeline in the order of their positions; ids, begin and end times are arbitrary. */
  const disordered = fc
    .uniqueArray(
      fc.record({ minute: fc.integer({ min: 10, max: 59 }), day: fc.integer({ min: 1, max: 28 }), hasEnd: fc.boolean() }),
      { selector: ({ minute }) => minute, minLength: 1, maxLength: 10 },
    )
    .map((drawn) =>
      drawn.map(({ minute, day, hasEnd }, number): Backup => {
        const time = { epochMicros: BigInt(Date.UTC(2026, 0, day, 12, minute)) * 1000n, offsetMinutes: 0 };
        return {
          ...emptyBackup(parseBackupId(`20260101T00${String(minute)}00`)!),
          status: 'DONE',
          timeline: 1,
          systemid: '7000000000000000001',
          beginXlog: lsnFromBytes(BigInt(number + 1) << 24n),
          beginTime: time,
          endTime: hasEnd ? time : null,
        };
      }),
    );
  const judge = (backups: readonly Backup[], { policy, minimum = 0, today = 29 }: Rules) =>
    planRetention({
      backups,
      keeps: new Map(),
      policy: policyOf(policy),
      minimumRedundancy: minimum,
      now: new Date(Date.UTC(2026, 0, today, 13)),
    });

  test('the newest backup never expires, and redundancy keeps those that begin last in the WAL', () => {
    fc.assert(
      fc.property(disordered, fc.integer({ min: 1, max: 4 }), fc.infiniteStream(fc.nat()), (backups, count, choices) => {
        const shuffled = backups.toSorted(() => (choices.next().value % 2 === 0 ? 1 : -1));
        const plan = judge(shuffled, { policy: `REDUNDANCY ${String(count)}` });
        expect(plan.map(({ id }) => id)).toEqual(backups.map(({ id }) => id).toReversed());
        const valid = plan.filter(({ status }) => status === 'VALID').map(({ id }) => id);
        expect(valid).toEqual(plan.slice(0, count).map(({ id }) => id));
      }),
    );
  });

  test('a window is recovered from a backup that began before it, and from none that only a wrong clock puts there', () => {
    fc.assert(
      fc.property(disordered, fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 40 }), (backups, days, today) => {
        const plan = judge(backups, { policy: `RECOVERY WINDOW OF ${String(days)} DAYS`, today });
        const start = Date.UTC(2026, 0, today - days, 13);
        const now = Date.UTC(2026, 0, today, 13);
        const going = new Set(plan.filter(({ status }) => status === 'OBSOLETE').map(({ id }) => id));
        for (const [number, { id, beginTime }] of backups.entries()) {
          if (!going.has(id)) continue;
          const begun = Number(beginTime!.epochMicros / 1000n);
          const later = backups.slice(number + 1).filter((other) => !going.has(other.id));
          const base = later.find(({ endTime }) => endTime !== null && Number(endTime.epochMicros / 1000n) < start);
          expect(base).toBeDefined();
          if (begun <= now) expect(begun).toBeLessThan(start); // an older one inside the window proves that no later one is before it
        }
      }),
    );
  });
});

test('a backup whose files are gone is not the last good one', () => {
  const plan = planRetention({
    backups: days(1, 2, 3).map(backup),
    keeps: new Map(),
    policy: policyOf('REDUNDANCY 1'),
    minimumRedundancy: 0,
    now: new Date('2026-02-01T00:00:00Z'),
    lost: new Set([idOf(3)]),
  });
  expect(plan.map(({ status }) => status)).toEqual(['VALID', 'OBSOLETE*', 'OBSOLETE']);
  expect(plan[1]?.reason).toBe('newer backups are enough for REDUNDANCY 1; but it is the last good full backup');
});

describe('when a backup goes', () => {
  const at = (day: number, hour: number) => BigInt(Date.UTC(2026, 0, day, hour)) * 1000n;

  test.each<{ fact: string; rules: Rules; backups: Sketch[]; outlooks: Record<number, unknown> }>([
    {
      fact: 'is a matter of newer ones under a redundancy',
      rules: { policy: 'REDUNDANCY 3' },
      backups: [{ day: 1 }, { day: 2 }, { day: 3, parent: 2 }, { day: 4 }, { day: 5 }],
      outlooks: {
        5: { kind: 'after-backups', count: 3 },
        4: { kind: 'after-backups', count: 2 },
        3: { kind: 'after-backups', count: 1 },
        2: { kind: 'after-backups', count: 1 },
        1: { kind: 'now' },
      },
    },
    {
      fact: 'is known under a recovery window once there is a newer one: when that one leaves the window',
      rules: { policy: 'RECOVERY WINDOW OF 7 DAYS', today: 12 },
      backups: [{ day: 3 }, { day: 8 }, { day: 10 }, { day: 11, keep: 'full' }],
      outlooks: {
        11: { kind: 'when-released' },
        10: { kind: 'at', epochMicros: at(18, 1) },
        8: { kind: 'at', epochMicros: at(17, 1) },
        3: { kind: 'at', epochMicros: at(15, 1) },
      },
    },
    {
      fact: 'is open for the newest one, and where minimum_redundancy is not met',
      rules: { policy: 'RECOVERY WINDOW OF 7 DAYS', today: 30, minimum: 3 },
      backups: [{ day: 1 }, { day: 2 }, { day: 3 }, { day: 27 }, { day: 28, status: 'FAILED' }],
      outlooks: {
        28: { kind: 'never' },
        27: { kind: 'after-newer-is-outside' },
        3: { kind: 'after-backups', count: 2 },
        2: { kind: 'after-backups', count: 1 },
        1: { kind: 'now' },
      },
    },
  ])('$fact', ({ rules, backups, outlooks }) => {
    expect(Object.fromEntries(verdictList(backups, rules).map(({ id, outlook }) => [Number(id.slice(6, 8)), outlook]))).toEqual(
      outlooks,
    );
  });

  test('comes true: at that instant it is still valid, and a microsecond later obsolete', () => {
    fc.assert(
      fc.property(sketches, rulesOf, (backups, rules) => {
        for (const { id, outlook } of verdictList(backups, rules)) {
          if (outlook.kind !== 'at') continue;
          const judged = (now: Date) => verdictList(backups, rules, now).find((other) => other.id === id)?.status;
          expect(judged(new Date(Number(outlook.epochMicros / 1000n)))).toBe('VALID');
          expect(judged(new Date(Number(outlook.epochMicros / 1000n) + 1))).toBe('OBSOLETE');
        }
      }),
    );
  });

  test('comes true: with one more backup than needed it is obsolete, with fewer it is not', () => {
    fc.assert(
      fc.property(sketches, fc.nat(4), fc.nat(4), (backups, count, minimum) => {
        const rules = { policy: `REDUNDANCY ${String(count)}`, minimum };
        for (const { id, outlook } of verdictList(backups, rules)) {
          if (outlook.kind !== 'after-backups') continue;
          const withMore = (more: number) =>
            verdictList([...backups, ...Array.from({ length: more }, (_, index) => ({ day: 29 + index }))], rules).find(
              (other) => other.id === id,
            )?.status;
          expect(withMore(outlook.count - 1)).not.toBe('OBSOLETE');
          expect(withMore(outlook.count)).toBe('OBSOLETE');
        }
      }),
    );
  });
});

test('a verdict says why', () => {
  const backups = days(1, 2, 3).map(backup);
  const plan = planRetention({
    backups,
    keeps: new Map([[idOf(1), 'full']]),
    policy: policyOf('REDUNDANCY 1'),
    minimumRedundancy: 2,
    now: new Date('2026-02-01T00:00:00Z'),
  });
  expect(plan.map(({ reason }) => reason)).toEqual([
    'number 1 of REDUNDANCY 1, raised to 2 by minimum_redundancy',
    'number 2 of REDUNDANCY 1, raised to 2 by minimum_redundancy',
    'kept as full; without that: newer backups are enough for REDUNDANCY 1, raised to 2 by minimum_redundancy',
  ]);
});

function days(...numbers: number[]): Sketch[] {
  return numbers.map((day) => ({ day }));
}

function planned(backups: readonly Sketch[], rules: Rules): string {
  return [...verdicts(backups, rules)].map(([day, status]) => `${String(day)} ${status}`).join(', ');
}

function verdicts(sketched: readonly Sketch[], rules: Rules): ReadonlyMap<number, string> {
  return new Map(verdictList(sketched, rules).map(({ id, status }) => [Number(id.slice(6, 8)), status]));
}

function verdictList(
  sketched: readonly Sketch[],
  { policy, minimum = 0, today = 31 }: Rules,
  now = new Date(Date.UTC(2026, 0, today, 12)),
): readonly Verdict[] {
  const keeps = new Map<BackupId, KeepTarget>();
  for (const { day, keep } of sketched) {
    if (keep !== undefined) keeps.set(idOf(day), keep);
  }
  return planRetention({ backups: sketched.map(backup), keeps, policy: policyOf(policy), minimumRedundancy: minimum, now });
}

function policyOf(text: string) {
  return parseRetentionPolicy(text)!;
}

function idOf(day: number): BackupId {
  return parseBackupId(`202601${String(day).padStart(2, '0')}T000000`)!; // days after the month's last sort after it, too
}

/** Ends at one o'clock, UTC. */
function backup({ day, status = 'DONE', parent, hasEnd = true }: Sketch): Backup {
  const endTime = { epochMicros: BigInt(Date.UTC(2026, 0, day, 1)) * 1000n, offsetMinutes: 0 };
  // planning looks at no other field of a record
  return {
    id: idOf(day),
    status,
    parentBackupId: parent === undefined ? null : idOf(parent),
    endTime: hasEnd ? endTime : null,
  } as Backup;
}
