import { describe, expect, test } from 'vitest';
import { configuredZone } from '../../../src/restore/configured-zone.ts';
import { parseTargetTime } from '../../../src/restore/target-time.ts';
import { formatLongTime } from '../../../src/shared/timestamp.ts';

const berlin = { name: 'Europe/Berlin', origin: 'postgresql.conf of backup 20260101T000000' };
const shown = (text: string, zone?: typeof berlin) => formatLongTime(parseTargetTime(text, zone).time);

describe('a target time', () => {
  test.each([
    ['with an offset', '2026-01-31 08:59:00-03:30', '2026-01-31 08:59:00-03:30'],
    ['in UTC', '2026-01-31 08:59:00 UTC', '2026-01-31 08:59:00+00:00'],
    ['with the name of a zone', '2026-07-31 08:59:00.25 America/New_York', '2026-07-31 08:59:00.250000-04:00'],
    ['with a short name', '2026-07-31 08:59:00 CET', '2026-07-31 08:59:00+02:00'],
    ['without a zone is in that of the server', '2026-07-31 08:59:00', '2026-07-31 08:59:00+02:00'],
    ['as C prints it is in that of the server', 'Fri Jul 31 08:59:00 2026', '2026-07-31 08:59:00+02:00'],
  ])('%s', (_, text, expected) => {
    expect(shown(text, berlin)).toBe(expected);
  });

  test('without a zone says which one was taken, where it comes from, and what that makes', () => {
    expect(parseTargetTime('2026-01-31 08:59:00', berlin).warnings).toEqual([
      "No time zone has been specified through '--target-time': Europe/Berlin is assumed, the zone of the PostgreSQL server (timezone in postgresql.conf of backup 20260101T000000): 2026-01-31 08:59:00+01:00",
    ]);
  });

  test('with a zone says nothing', () => {
    expect(parseTargetTime('2026-01-31 08:59:00 Asia/Tokyo', berlin).warnings).toEqual([]);
  });

  test('that the clocks showed twice says which of both was taken', () => {
    expect(parseTargetTime('2026-10-25 02:30:00 Europe/Berlin', undefined).warnings).toEqual([
      'the clocks of Europe/Berlin were changed then: 2026-10-25 02:30:00+01:00 is taken, not 2026-10-25 02:30:00+02:00',
    ]);
  });

  test('in a zone that does not exist is refused', () => {
    expect(() => parseTargetTime('2026-01-31 08:59:00 Mars/Olympus', berlin)).toThrow("no time zone is named 'Mars/Olympus'");
  });
});

describe('the zone of a server', () => {
  const inFiles = (main: string, auto = '') =>
    configuredZone(
      [
        { file: 'postgresql.conf', text: main },
        { file: 'postgresql.auto.conf', text: auto },
      ],
      '20260101T000000',
    );

  test.each([
    ['is what postgresql.conf says', "timezone = 'Europe/Berlin'\n", '', 'Europe/Berlin', 'postgresql.conf'],
    ['is found in any case and without quotes', 'TimeZone=UTC # why\n', '', 'UTC', 'postgresql.conf'],
    ['is the last one of a file', "timezone = 'UTC'\ntimezone = 'Asia/Tokyo'\n", '', 'Asia/Tokyo', 'postgresql.conf'],
    ['is what ALTER SYSTEM set', "timezone = 'UTC'\n", "timezone = 'Asia/Tokyo'\n", 'Asia/Tokyo', 'postgresql.auto.conf'],
  ])('%s', (_, main, auto, name, file) => {
    expect(inFiles(main, auto)).toEqual({ name, origin: `${file} of backup 20260101T000000` });
  });

  test.each([
    ['nothing sets it', "#timezone = 'GMT'\nlog_timezone = 'UTC'\n"],
    ['only PostgreSQL understands it', "timezone = '<+03>-03'\n"],
  ])('is unknown when %s', (_, main) => {
    expect(inFiles(main)).toBeUndefined();
  });
});
