import { describe, expect, test } from 'vitest';
import type { RestoreWish } from '../../../../src/restore/guards/judge-backup.ts';
import { chooseBackup } from '../../../../src/restore/plan/choose-backup.ts';
import { OperatorError } from '../../../../src/shared/operator-error.ts';
import { aBackup, anArchive, aWish, instant, lsn, segment } from '../restore-builders.ts';

const older = aBackup({ day: 2, at: '1:2' });
const newer = aBackup({ day: 3, at: '1:5' });
const wholeArchive = anArchive({ segments: ['1:2@12', '1:3@13', '1:4@14', '1:5@15', '1:6@16'] });

function toTime(text: string): RestoreWish {
  return aWish({ target: { kind: 'time', time: instant(text) } });
}

function toLsn(text: string): RestoreWish {
  return aWish({ target: { kind: 'lsn', lsn: lsn(text) } });
}

function failureOf(work: () => unknown): OperatorError {
  try {
    work();
  } catch (error) {
    if (error instanceof OperatorError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('auto', () => {
  test.each([
    ['without a target takes the newest', aWish(), newer.id],
    ['takes the newest that ended before the time', toTime('2026-01-02 12:30:00+00'), older.id],
    ['takes a backup that ended at the very time', toTime('2026-01-03 12:00:10+00'), newer.id],
    ['takes the newest that ended before the LSN', toLsn('0/4000000'), older.id],
    ['takes a backup whose end is the LSN', toLsn('0/5000100'), newer.id],
  ])('%s', (_, wish, id) => {
    const { backup } = chooseBackup({ serverName: 'main', backups: [older, newer], wish }, 'auto', wholeArchive);
    expect(backup.id).toBe(id);
  });

  test('passes over what did not end well, and over kinds that cannot be restored yet', () => {
    const backups = [
      older,
      aBackup({ day: 4, at: '1:6', mode: 'snapshot-concurrent' }),
      aBackup({ day: 5, at: '1:6', status: 'FAILED' }),
    ];
    const choice = chooseBackup({ serverName: 'main', backups, wish: aWish() }, 'auto', wholeArchive);
    expect(choice.backup.id).toBe(older.id);
    expect(choice.warnings).toEqual([expect.stringMatching(/20260104T120000 is passed over: .*snapshot.*not available yet/)]);
  });

  test('takes an older backup when the newest one lies on a branch that does not lead to the timeline', () => {
    const facts = anArchive({ segments: ['1:2', '1:3', '1:4', '1:5', '2:3', '2:4'], histories: { 2: '1 0/3000080' } });
    const wish = aWish({ timeline: 2 });
    expect(chooseBackup({ serverName: 'main', backups: [older, newer], wish }, 'auto', facts).backup.id).toBe(older.id);
  });

  test.each([
    ['a name', aWish({ target: { kind: 'name', name: 'x' } }), "with 'auto' a target can be a time or an LSN, not a name"],
    ['the timeline of a backup', aWish({ timeline: 'current' }), "'current' is the timeline of a backup"],
    ['a time before every backup', toTime('2026-01-01 00:00:00+00'), "cannot find any candidate backup of server 'main'"],
  ])('cannot be combined with %s', (_, wish, message) => {
    const failure = failureOf(() => chooseBackup({ serverName: 'main', backups: [older, newer], wish }, 'auto', wholeArchive));
    expect(failure.message).toContain(message);
  });
});

describe('a named backup is refused', () => {
  test('with those that can reach the target named', () => {
    const wish = toTime('2026-01-02 13:00:00+00');
    const failure = failureOf(() =>
      chooseBackup({ serverName: 'main', backups: [older, newer], wish }, 'latest', wholeArchive),
    );
    expect(failure).toMatchObject({
      code: 'target-unreachable',
      message: 'the requested target time 2026-01-02 13:00:00+00:00 is before the backup end time 2026-01-03 12:00:10+00:00',
      hint: `it can be reached from ${older.id}`,
    });
  });

  const branched = { segments: ['1:2', '1:3', '2:3', '2:4'], histories: { 2: '1 0/3000080' } };
  test.each<{ why: string; wish: RestoreWish; archive: Parameters<typeof anArchive>[0]; message: string }>([
    {
      why: 'a time in the future',
      wish: toTime('2026-02-01 00:00:00+00'),
      archive: { segments: ['1:2', '1:3'] },
      message: 'lies in the future',
    },
    {
      why: 'an LSN before its end',
      wish: toLsn('0/20000F0'),
      archive: { segments: ['1:2', '1:3'] },
      message: 'the requested target LSN 0/20000F0 is before the end of backup 20260102T120000 at 0/2000100',
    },
    {
      why: 'an LSN after the last segment',
      wish: toLsn('0/4000000'),
      archive: { segments: ['1:2', '1:3'] },
      message: `lies after the last archived WAL segment ${segment('1:3')}`,
    },
    {
      why: 'a gap before the LSN',
      wish: toLsn('0/5000000'),
      archive: { segments: ['1:2', '1:3', '1:5'] },
      message: `WAL segment ${segment('1:4')} is missing in the archive, before the requested target LSN`,
    },
    {
      why: 'a gap before the time',
      wish: toTime('2026-01-02 14:30:00+00'),
      archive: { segments: ['1:2@12', '1:3@13', '1:5@15'] },
      message: `WAL segment ${segment('1:4')} is missing in the archive, before the requested target time`,
    },
    {
      why: 'a segment of its own that is missing',
      wish: aWish({ target: { kind: 'immediate' } }),
      archive: { segments: ['1:3'] },
      message: `WAL segment ${segment('1:2')} is missing in the archive and backup 20260102T120000 needs it`,
    },
    {
      why: 'a timeline that nobody knows',
      wish: aWish({ timeline: 7 }),
      archive: branched,
      message: 'timeline 7 is not in the archive',
    },
    {
      why: 'a timeline that left before the backup ended',
      wish: aWish({ timeline: 2 }),
      archive: { ...branched, histories: { 2: '1 0/2000080' } },
      message: 'timeline 2 left timeline 1 at 0/2000080, before backup 20260102T120000 ended at 0/2000100',
    },
    {
      why: 'a latest timeline of another branch',
      wish: aWish({ timeline: 'latest' }),
      archive: { ...branched, histories: { 2: '1 0/2000080' } },
      message: 'timeline 2 left timeline 1',
    },
    {
      why: 'a timeline whose first segment is missing: replay would stay on the older one',
      wish: aWish({ timeline: 2 }),
      archive: { ...branched, segments: ['1:2', '1:3', '2:4'] },
      message: `WAL segment ${segment('2:3')} is missing in the archive, in which timeline 2 begins`,
    },
    {
      why: 'a gap on the way to the other timeline',
      wish: toLsn('0/4000000'),
      archive: { ...branched, segments: ['1:2', '1:3', '2:4'] },
      message: `WAL segment ${segment('2:3')} is missing`,
    },
  ])('for $why', ({ wish, archive, message }) => {
    const failure = failureOf(() => chooseBackup({ serverName: 'main', backups: [older], wish }, older.id, anArchive(archive)));
    expect(failure.message).toContain(message);
    expect(failure.code).toBe('target-unreachable');
  });

  test.each([
    ['unknown', [older], 'nightly', "Unknown backup 'nightly' for server 'main'"],
    ['failed', [aBackup({ status: 'FAILED' })], older.id, 'backup status is not DONE'],
    ['a snapshot', [aBackup({ mode: 'snapshot-concurrent' })], 'latest', 'restoring a snapshot backup is not available yet'],
  ])('when it is %s', (_, backups, wanted, message) => {
    const failure = failureOf(() => chooseBackup({ serverName: 'main', backups, wish: aWish() }, wanted, wholeArchive));
    expect(failure.message).toContain(message);
  });
});

describe('a target that may be out of reach is only warned about', () => {
  test.each<{ why: string; wish: RestoreWish; segments: string[]; warning: string }>([
    {
      why: 'newer than all WAL',
      wish: toTime('2026-01-05 00:00:00+00'),
      segments: ['1:2', '1:3'],
      warning: 'no archived WAL is as new',
    },
    {
      why: 'before a gap',
      wish: toTime('2026-01-02 12:30:00+00'),
      segments: ['1:2@12', '1:3@13', '1:5@15'],
      warning: 'probably after',
    },
    { why: 'a gap and no target', wish: aWish(), segments: ['1:2', '1:4'], warning: 'replay cannot go beyond it' },
    {
      why: 'a gap and a restore point',
      wish: aWish({ target: { kind: 'name', name: 'x' } }),
      segments: ['1:2', '1:4'],
      warning: 'replay cannot go beyond it',
    },
    {
      why: 'a standby can stream',
      wish: { ...toLsn('0/9000000'), standbyMode: true },
      segments: ['1:2'],
      warning: 'lies after',
    },
  ])('$why', ({ wish, segments, warning }) => {
    const choice = chooseBackup({ serverName: 'main', backups: [older], wish }, older.id, anArchive({ segments }));
    expect(choice.warnings).toEqual([expect.stringContaining(warning)]);
  });
});

test('a timeline that was left in the segment in which it began needs no segment of its own', () => {
  const archive = { segments: ['1:2', '1:3', '3:3'], histories: { 2: '1 0/3000080', 3: '1 0/3000080, 2 0/3000100' } };
  const wish = aWish({ timeline: 3 });
  expect(chooseBackup({ serverName: 'main', backups: [older], wish }, older.id, anArchive(archive)).warnings).toEqual([]);
});

describe('the timeline', () => {
  const branched = anArchive({
    segments: ['1:2', '1:3', '2:3', '2:4', '3:3'],
    histories: { 2: '1 0/3000080', 3: '1 0/2000080' },
  });
  const toName = aWish({ target: { kind: 'name', name: 'x' } });

  test.each([
    [
      'on PostgreSQL 12 and newer is the latest that descends, said explicitly when it is not the very latest',
      toName,
      150_018,
      2,
      2,
    ],
    ["before it is the backup's own", toName, 110_022, 1, undefined],
    ["can be said to be the backup's own", { ...toName, timeline: 'current' as const }, 150_018, 1, 'current'],
    ['can be named', { ...toName, timeline: 2 }, 150_018, 2, 2],
  ])('%s', (_, wish, version, timeline, setting) => {
    const backup = aBackup({ version });
    const { timelines } = chooseBackup({ serverName: 'main', backups: [backup], wish }, backup.id, branched);
    expect(timelines).toMatchObject({ timeline, setting });
  });

  test('of a plain restore is the latest too, and the operator learns how to stay', () => {
    const facts = anArchive({ segments: ['1:2', '1:3', '2:3'], histories: { 2: '1 0/3000080' } });
    const { timelines, warnings } = chooseBackup({ serverName: 'main', backups: [older], wish: aWish() }, older.id, facts);
    expect(timelines).toMatchObject({ timeline: 2, setting: undefined });
    expect(warnings).toEqual([expect.stringContaining('--target-tli current stays on timeline 1')]);
  });

  test("of a plain restore before PostgreSQL 12 is the backup's own, and the operator learns that there is more", () => {
    const backup = aBackup({ version: 110_022 });
    const facts = anArchive({ segments: ['1:2', '1:3', '2:3'], histories: { 2: '1 0/3000080' } });
    for (const wish of [aWish(), aWish({ fetchesWal: true })]) {
      const { timelines, warnings } = chooseBackup({ serverName: 'main', backups: [backup], wish }, backup.id, facts);
      expect(timelines).toMatchObject({ timeline: 1, setting: undefined });
      expect(warnings).toEqual([expect.stringContaining('use --target-tli latest to follow')]);
    }
  });

  test.each([
    ['named', { timeline: 2 }, { 3: '1 0/1000080' }],
    ['reached past a stranger', { fetchesWal: true }, { 3: '1 0/1000080' }],
  ])('of a backup whose own history was never archived is said to be current when it is %s', (_, wish, histories) => {
    const backup = aBackup({ at: '2:4' });
    const facts = anArchive({ segments: ['2:4'], histories });
    const { timelines } = chooseBackup({ serverName: 'main', backups: [backup], wish: aWish(wish) }, backup.id, facts);
    expect(timelines).toMatchObject({ timeline: 2, setting: 'current' });
  });

  test('of a standby is the latest, with what does not descend from the backup hidden', () => {
    const facts = anArchive({ segments: ['1:2'], histories: { 2: '1 0/1000080', 3: '1 0/1000080' } });
    const wish = aWish({ standbyMode: true, fetchesWal: true, followsSwitches: true });
    const { timelines } = chooseBackup({ serverName: 'main', backups: [older], wish }, older.id, facts);
    expect(timelines).toMatchObject({ timeline: 1, setting: 'latest', hidden: [2, 3] });
  });

  test('a first segment that is missing is told where the timeline was not asked for', () => {
    const facts = anArchive({ segments: ['1:2', '1:3'], histories: { 2: '1 0/3000080' } });
    const wish = aWish({ fetchesWal: true });
    const { warnings } = chooseBackup({ serverName: 'main', backups: [older], wish }, older.id, facts);
    expect(warnings).toEqual([expect.stringContaining('replay would stay on the older timeline')]);
  });
});
