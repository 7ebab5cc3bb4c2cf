import { describe, expect, test } from 'vitest';
import { parseBackupSchedule } from '../../../src/maintenance/backup-schedule.ts';
import { firstPlanned, plannedAfter } from '../../../src/maintenance/plan-backup.ts';
import { OperatorError } from '../../../src/shared/operator-error.ts';

/** Planned instants from one on, each counted from the one before it, as a scheduler does that is never late. */
function plannedTimes(text: string, from: string, count: number): string[] {
  const schedule = parseBackupSchedule(text);
  const times: Date[] = [];
  while (times.length < count) times.push(schedule.nextAfter(times.at(-1) ?? new Date(from)));
  return times.map((time) => time.toISOString());
}

describe('a daily time across the change of clocks', () => {
  test.each([
    {
      title: 'Berlin, forward: the hour from 2 to 3 does not exist, and the backup is taken at 3',
      schedule: '30 2 * * * Europe/Berlin',
      from: '2026-03-28T00:00:00Z',
      planned: ['2026-03-28T01:30:00.000Z', '2026-03-29T01:00:00.000Z', '2026-03-30T00:30:00.000Z'],
    },
    {
      title: 'Berlin, back: half past two comes twice, and counts once',
      schedule: '30 2 * * * Europe/Berlin',
      from: '2026-10-24T00:00:00Z',
      planned: ['2026-10-24T00:30:00.000Z', '2026-10-25T00:30:00.000Z', '2026-10-26T01:30:00.000Z'],
    },
    {
      title: 'New York, forward',
      schedule: '0 2 * * * America/New_York',
      from: '2026-03-07T12:00:00Z',
      planned: ['2026-03-08T07:00:00.000Z', '2026-03-09T06:00:00.000Z'],
    },
    {
      title: 'New York, back',
      schedule: '30 1 * * * America/New_York',
      from: '2026-10-31T12:00:00Z',
      planned: ['2026-11-01T05:30:00.000Z', '2026-11-02T06:30:00.000Z'],
    },
    {
      title: 'every hour counts both hours when clocks go back',
      schedule: '0 * * * * Europe/Berlin',
      from: '2026-10-24T23:30:00Z',
      planned: ['2026-10-25T00:00:00.000Z', '2026-10-25T01:00:00.000Z', '2026-10-25T02:00:00.000Z'],
    },
    {
      title: 'a zone without summer time',
      schedule: '30 2 * * * Asia/Tokyo',
      from: '2026-03-28T18:00:00Z',
      planned: ['2026-03-29T17:30:00.000Z', '2026-03-30T17:30:00.000Z'],
    },
  ])('$title', ({ schedule, from, planned }) => {
    expect(plannedTimes(schedule, from, planned.length)).toEqual(planned);
  });

  test.each(['Europe/Berlin', 'America/New_York'])(
    'a backup that runs into the hour that comes again is not taken again: %s',
    (zone) => {
      const isBerlin = zone === 'Europe/Berlin';
      const schedule = parseBackupSchedule(isBerlin ? `30 2 * * * ${zone}` : `30 1 * * * ${zone}`);
      const kept = new Date(isBerlin ? '2026-10-25T00:30:00Z' : '2026-11-01T05:30:00Z');
      const ended = new Date(kept.getTime() + 40 * 60_000); // twenty minutes before that time of day comes once more
      const next = plannedAfter(schedule, kept, ended);
      expect(next.getTime() - kept.getTime()).toBe(25 * 3_600_000);
    },
  );
});

describe('missed backups', () => {
  const schedule = parseBackupSchedule('0 1 * * * UTC');

  test('a backup that should have been begun since the newest one is due immediately, and is one', () => {
    const now = new Date('2026-06-10T12:00:00Z');
    const planned = firstPlanned(schedule, new Date('2026-06-05T01:00:03Z'), now);
    expect(planned.toISOString()).toBe('2026-06-06T01:00:00.000Z');
    expect(plannedAfter(schedule, planned, now).toISOString()).toBe('2026-06-11T01:00:00.000Z');
  });

  test('nothing is late on a server without backups, nor on one whose newest backup came after the time', () => {
    const now = new Date('2026-06-10T12:00:00Z');
    expect(firstPlanned(schedule, undefined, now).toISOString()).toBe('2026-06-11T01:00:00.000Z');
    expect(firstPlanned(schedule, new Date('2026-06-10T09:00:00Z'), now).toISOString()).toBe('2026-06-11T01:00:00.000Z');
  });

  test('times that passed while a backup ran are left out', () => {
    const often = parseBackupSchedule('*/5 * * * * * UTC');
    const next = plannedAfter(often, new Date('2026-06-10T12:00:05Z'), new Date('2026-06-10T12:00:21Z'));
    expect(next.toISOString()).toBe('2026-06-10T12:00:25.000Z');
  });
});

test.each(['61 1 * * *', '0 0 30 2 *', 'x * * * *'])('%s cannot be kept, and that is told in one line', (text) => {
  let failure: unknown;
  try {
    parseBackupSchedule(text);
  } catch (error) {
    failure = error;
  }
  expect(failure).toBeInstanceOf(OperatorError);
  expect((failure as OperatorError).message).toMatch(/^backup_schedule = .* is not possible: [^\n]+$/);
});
