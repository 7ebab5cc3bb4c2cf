import { describe, expect, test } from 'vitest';
import { includedFiles } from '../../../../src/restore/recovery/included-files.ts';
import type { FoundFile } from '../../../../src/restore/recovery/mangle-configuration.ts';
import { configuredZone } from '../../../../src/restore/target/configured-zone.ts';
import { readPostgresZone } from '../../../../src/restore/target/postgres-zone.ts';
import { parseTargetTime, type ServerZone } from '../../../../src/restore/target/target-time.ts';
import { formatLongTime } from '../../../../src/shared/timestamp.ts';

const berlin: ServerZone = {
  kind: 'known',
  zone: { kind: 'named', name: 'Europe/Berlin' },
  name: 'Europe/Berlin',
  origin: 'timezone in postgresql.conf of backup 20260101T000000',
  hasUsualAbbreviations: true,
};
const shown = (text: string, zone?: ServerZone) => formatLongTime(parseTargetTime(text, zone).time);

describe('a target time', () => {
  test.each([
    ['with an offset', '2026-01-31 08:59:00-03:30', '2026-01-31 08:59:00-03:30'],
    ['in UTC', '2026-01-31 08:59:00 UTC', '2026-01-31 08:59:00+00:00'],
    ['with the name of a zone', '2026-07-31 08:59:00.25 America/New_York', '2026-07-31 08:59:00.250000-04:00'],
    ['with an abbreviation', '2026-01-31 08:59:00 CET', '2026-01-31 08:59:00+01:00'],
    ['with that of another zone', '2026-07-31 08:59:00 EDT', '2026-07-31 08:59:00-04:00'],
    ['with halves of the day', '2026-07-31 8:59 PM UTC', '2026-07-31 20:59:00+00:00'],
    ['as date(1) prints it', 'Fri Jul 31 08:59:00 AM CEST 2026', '2026-07-31 08:59:00+02:00'],
    ['as date -R prints it', 'Fri, 31 Jul 2026 08:59:00 -0330', '2026-07-31 08:59:00-03:30'],
    ['in the basic form of ISO 8601', '20260731T085900Z', '2026-07-31 08:59:00+00:00'],
    ['with slashes, year first', '2026/7/31 8:9:1', '2026-07-31 08:09:01+02:00'],
    ['to the nanosecond is rounded', '2026-07-31 08:59:00.9999996Z', '2026-07-31 08:59:01+00:00'],
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

  test.each(['BST', 'IST', 'CST', 'PST', 'AST', 'NST', 'SST', 'ART', 'ECT', 'Japan', 'UTC+3', 'Mars/Olympus'])(
    "'%s' is no zone that is read in one way only",
    (zone) => {
      const tokyo: ServerZone = { ...berlin, zone: { kind: 'named', name: 'Asia/Tokyo' } };
      expect(() => parseTargetTime(`2026-01-31 08:59:00 ${zone}`, tokyo)).toThrow(zone);
      expect(() => parseTargetTime(`2026-01-31 08:59:00 ${zone}`, undefined)).toThrow(zone);
    },
  );

  test.each([
    ['America/Chicago', '2026-01-31 08:59:00 CST', '2026-01-31 08:59:00-06:00'],
    ['Europe/London', '2026-07-31 08:59:00 BST', '2026-07-31 08:59:00+01:00'],
    ['Asia/Jerusalem', '2026-01-31 08:59:00 IST', '2026-01-31 08:59:00+02:00'],
    ['Europe/London', '2026-10-25 01:30:00 BST', '2026-10-25 01:30:00+01:00'],
  ])('an ambiguous abbreviation is that of the clock of the server in %s', (name, text, expected) => {
    expect(shown(text, { ...berlin, zone: { kind: 'named', name } })).toBe(expected);
  });

  test.each([
    ['Europe/Berlin', '2026-06-15 14:00:00 CET', "'2026-06-15 14:00:00+01:00' or '2026-06-15 14:00:00+02:00'"],
    ['Europe/Berlin', '2026-01-15 14:00:00 CEST', "'2026-01-15 14:00:00+02:00' or '2026-01-15 14:00:00+01:00'"],
    ['Asia/Kolkata', '2026-01-15 14:00:00 IST', "'2026-01-15 14:00:00+02:00'"],
  ])('an abbreviation that the server in %s does not show then is refused with offsets to write', (name, text, offsets) => {
    const server: ServerZone = { ...berlin, zone: { kind: 'named', name } };
    expect(() => parseTargetTime(text, server)).toThrow(expect.objectContaining({ hint: `write the offset as in ${offsets}` }));
  });

  test('without a zone is refused when that of the server cannot be read', () => {
    const server: ServerZone = { kind: 'unreadable', reason: 'conf.d was not read' };
    expect(() => parseTargetTime('2026-01-31 08:59:00', server)).toThrow('conf.d was not read');
    expect(shown('2026-01-31 08:59:00+02', server)).toBe('2026-01-31 08:59:00+02:00');
  });

  test.each([
    '01/02/2026 10:00',
    '31.01.2026 10:00',
    '26-01-31 10:00',
    'Sun Jan 31 08:59:00 2026',
    '2026-02-30 10:00',
    'yesterday',
  ])("'%s', which may mean several times or none, is refused", (text) => {
    expect(() => parseTargetTime(text, berlin)).toThrow(`Unable to parse the target time parameter '${text}'`);
  });
});

describe('the zone of a server', () => {
  const file = (text: string): FoundFile => ({ kind: 'file', text, mode: 0o600 });
  /** The files of a data folder by their paths; `/` begins one that lies elsewhere. */
  const inFolder = async (texts: Readonly<Record<string, string>>) => {
    const read = (path: string) =>
      Promise.resolve(texts[path] === undefined ? ({ kind: 'missing' } as const) : file(texts[path]));
    const namesIn = (path: string) => {
      const names = Object.keys(texts).filter((name) => name.startsWith(`${path}/`));
      return Promise.resolve(names.length === 0 ? undefined : names.map((name) => name.slice(path.length + 1)));
    };
    const names = ['postgresql.conf', 'postgresql.auto.conf'];
    const configuration = new Map(await Promise.all(names.map(async (name) => [name, await read(name)] as const)));
    return configuredZone({ configuration, included: await includedFiles({ read, namesIn }, '/data') }, '20260101T000000');
  };
  const inFiles = async (main: string, auto = '') => await inFolder({ 'postgresql.conf': main, 'postgresql.auto.conf': auto });

  test.each([
    ['is what postgresql.conf says', "timezone = 'Europe/Berlin'\n", '', 'Europe/Berlin', 'postgresql.conf'],
    ['is found in any case and without quotes', 'TimeZone=UTC # why\n', '', 'UTC', 'postgresql.conf'],
    ['is the last one of a file', "timezone = 'UTC'\ntimezone = 'Asia/Tokyo'\n", '', 'Asia/Tokyo', 'postgresql.conf'],
    ['is what ALTER SYSTEM set', "timezone = 'UTC'\n", "timezone = 'Asia/Tokyo'\n", 'Asia/Tokyo', 'postgresql.auto.conf'],
  ])('%s', async (_, main, auto, name, file) => {
    const origin = `timezone in ${file} of backup 20260101T000000`;
    expect(await inFiles(main, auto)).toMatchObject({ kind: 'known', zone: { kind: 'named', name }, name, origin });
  });

  test('is that which PostgreSQL takes when nothing sets it', async () => {
    expect(await inFiles("#timezone = 'GMT'\nlog_timezone = 'Asia/Tokyo'\n")).toMatchObject({ kind: 'known', name: 'GMT' });
  });

  test('is unknown without configuration', async () => {
    expect(await inFolder({})).toBeUndefined();
  });

  test.each([
    [
      'a file that is taken in',
      { 'postgresql.conf': "timezone = 'UTC'\ninclude 'a.conf'\n", 'a.conf': "timezone = 'Asia/Tokyo'\n" },
      'a.conf',
    ],
    [
      'a folder, and the file that comes last in it',
      { 'postgresql.conf': "include_dir 'c'\n", 'c/1.conf': "timezone = 'UTC'\n", 'c/2.conf': "timezone = 'Asia/Tokyo'\n" },
      'c/2.conf',
    ],
    [
      'a file that is taken in by one',
      {
        'postgresql.conf': "include 'c/a.conf'\n",
        'c/a.conf': "include_if_exists 'b.conf'\n",
        'c/b.conf': "timezone = 'Asia/Tokyo'\n",
      },
      'c/b.conf',
    ],
    [
      'what stands behind a file that is taken in',
      { 'postgresql.conf': "include 'a.conf'\ntimezone = 'Asia/Tokyo'\n", 'a.conf': "timezone = 'UTC'\n" },
      'postgresql.conf',
    ],
    [
      'what stands behind a file elsewhere',
      { 'postgresql.conf': "include '/etc/a.conf'\ntimezone = 'Asia/Tokyo'\n" },
      'postgresql.conf',
    ],
    [
      'without a file that does not exist',
      { 'postgresql.conf': "timezone = 'Asia/Tokyo'\ninclude_if_exists 'a.conf'\n" },
      'postgresql.conf',
    ],
  ] as const)('is read from %s', async (_, texts, file) => {
    const origin = `timezone in ${file} of backup 20260101T000000`;
    expect(await inFolder(texts)).toMatchObject({ kind: 'known', name: 'Asia/Tokyo', origin });
  });

  test('is not known when a file elsewhere may set it', async () => {
    const found = await inFolder({ 'postgresql.conf': "timezone = 'UTC'\ninclude '/etc/a.conf'\n" });
    expect(found).toEqual({ kind: 'unreadable', reason: '/etc/a.conf, which may set it, is not in backup 20260101T000000' });
  });

  test('cannot be read when only PostgreSQL understands it', async () => {
    expect(await inFiles("timezone = 'CET-1CEST,M3.5.0,M10.5.0/3'\n")).toMatchObject({ kind: 'unreadable' });
  });

  test.each([
    ['posix/Asia/Tokyo', { kind: 'named', name: 'Asia/Tokyo' }],
    ['UTC+3', { kind: 'fixed', minutes: -180, abbreviation: 'UTC' }],
    ['<+0530>-5:30', { kind: 'fixed', minutes: 330, abbreviation: '+0530' }],
    ['-7', { kind: 'fixed', minutes: -420 }],
    ['EST5EDT', { kind: 'named', name: 'EST5EDT' }],
    ['right/Asia/Tokyo', undefined],
    ['BST', undefined],
  ])("'%s' is read as PostgreSQL does", (value, zone) => {
    expect(readPostgresZone(value)).toEqual(zone);
  });
});
