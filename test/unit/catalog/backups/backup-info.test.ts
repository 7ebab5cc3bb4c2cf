import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Backup, backupStatuses, emptyBackup } from '../../../../src/catalog/backups/backup.ts';
import { formatBackupInfo, parseBackupInfo, recordFields } from '../../../../src/catalog/backups/backup-info.ts';
import { PythonFloat, type PythonValue, snakeCase } from '../../../../src/shared/python-literal.ts';
import { parseTimestamp } from '../../../../src/shared/timestamp.ts';
import { lsnFromBytes } from '../../../../src/wal/lsn.ts';
import { segmentName } from '../../../../src/wal/wal-name.ts';
import { aBackup, idOf } from '../a-backup.ts';

const id = idOf(2);
const read = (text: string) => parseBackupInfo(text, id, '/home/main/meta/x-backup.info');

/** Lines of a record by their keys. */
function linesOf(backup: Backup): Readonly<Record<string, string>> {
  const lines = formatBackupInfo(backup).trimEnd().split('\n');
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

/** A value of every field, none of them null. */
const wholeBackup: Backup = aBackup({
  backupName: 'weekly',
  backupLabel: 'START WAL LOCATION: 0/2000028\nLABEL: it\'s \\ "x"\n',
  beginOffset: 40,
  beginTime: timeOf('2026-01-02 12:00:00.000001+01:00'),
  beginXlog: lsnFromBytes(0x2000028n),
  childrenBackupIds: [idOf(3), idOf(4)],
  clusterSize: 23_277_257,
  compression: 'none',
  configFile: '/srv/pg/a = b.conf',
  copyStats: new Map<string, PythonValue>([['copy_time', new PythonFloat(1)]]),
  dataChecksums: 'on',
  deduplicatedSize: 1,
  encryption: 'gpg',
  endOffset: 0,
  endTime: timeOf('2026-01-02 12:00:10-03:30'),
  endXlog: lsnFromBytes(0xa_0000_0000n),
  error: 'failure copying files (no space)',
  hbaFile: '/srv/pg/hba',
  identFile: '/srv/pg/ident',
  includedFiles: ['/srv/pg/é.conf', "/srv/it's"],
  parentBackupId: idOf(1),
  pgdata: '/srv/pg',
  size: 5,
  snapshotsInfo: new Map<string, PythonValue>([['provider', 'gcp']]),
  summarizeWal: 'off',
  systemid: '7000000000000000001',
  tablespaces: [{ name: 'fast', oid: 16_384, location: "/srv/it's" }],
  version: 170_004,
  xlogSegmentSize: 1_048_576,
});

test('every field comes back as it was written', () => {
  expect(Object.entries(wholeBackup).filter(([, value]) => value === null)).toEqual([]);
  expect(read(formatBackupInfo(wholeBackup))).toEqual(wholeBackup);
});

const text = fc
  .string({ unit: fc.constantFrom('a', ' ', '=', '#', "'", '"', '\\', 'é', '/', '[', '😀') })
  .map((value) => value.trim())
  .filter((value) => value !== 'None');
const orNull = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null });
const number = orNull(fc.nat({ max: Number.MAX_SAFE_INTEGER }));
const lsn = orNull(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(lsnFromBytes));
const segment = orNull(
  fc
    .record({
      timeline: fc.integer({ min: 1, max: 0xffff_ffff }),
      log: fc.integer({ min: 0, max: 0xffff_ffff }),
      segment: fc.nat({ max: 255 }),
    })
    .map(segmentName),
);
const time = orNull(
  fc.record({
    epochMicros: fc.bigInt({ min: 0n, max: 4_000_000_000_000_000n }),
    offsetMinutes: fc.integer({ min: -14 * 60, max: 14 * 60 }),
  }),
);
const backups: fc.Arbitrary<Backup> = fc.record({
  ...Object.fromEntries(Object.keys(emptyBackup(id)).map((field) => [field, orNull(text)])),
  id: fc.constant(id),
  serverName: text,
  status: fc.constantFrom(...backupStatuses),
  backupLabel: orNull(fc.string({ unit: 'binary' }).filter((label) => !/^['"]/.test(label))),
  beginOffset: number,
  beginTime: time,
  beginWal: segment,
  beginXlog: lsn,
  childrenBackupIds: orNull(fc.array(fc.constantFrom(idOf(5), idOf(6)), { minLength: 1 })),
  clusterSize: number,
  copyStats: orNull(fc.dictionary(fc.string(), fc.string()).map((dict) => new Map(Object.entries(dict)))),
  deduplicatedSize: number,
  endOffset: number,
  endTime: time,
  endWal: segment,
  endXlog: lsn,
  includedFiles: orNull(fc.array(fc.string({ unit: 'binary' }))),
  parentBackupId: fc.constantFrom(null, idOf(1)),
  size: number,
  snapshotsInfo: orNull(fc.constant(new Map([['provider', 'aws']]))),
  tablespaces: orNull(fc.array(fc.record({ name: fc.string(), oid: fc.nat(), location: fc.string() }))),
  timeline: number,
  version: number,
  xlogSegmentSize: fc.integer({ min: 1, max: 2 ** 30 }),
}) as unknown as fc.Arbitrary<Backup>; // every field has an arbitrary of its type: the last one wins

test('any backup comes back as it was written', () => {
  fc.assert(
    fc.property(backups, (backup) => {
      expect(read(formatBackupInfo(backup))).toEqual(withZoneMarks(backup));
    }),
  );
});

/** Timestamps that were read also say whether they had a zone. */
function withZoneMarks(backup: Backup): unknown {
  const zoned = (at: Backup['beginTime']) => (at === null ? null : { ...at, hasZone: true });
  return { ...backup, beginTime: zoned(backup.beginTime), endTime: zoned(backup.endTime) };
}

function timeOf(at: string) {
  return parseTimestamp(at)!;
}

test('keys are in alphabetical order, each on its line, and null is None', () => {
  const backup = aBackup({ mode: 'postgres' });
  const keys = Object.keys(linesOf(backup));
  expect(keys).toEqual(keys.toSorted());
  expect(keys).toHaveLength(recordFields().length - 3);
  expect(linesOf(backup)).toMatchObject({ begin_wal: '000000010000000000000002', error: 'None', status: 'DONE' });
});

test('a field that an older Barman dies of is left out when it is null', () => {
  const keys = Object.keys(linesOf({ ...aBackup(), mode: null }));
  for (const key of ['backup_name', 'encryption', 'snapshots_info', 'mode']) expect(keys).not.toContain(key);
});

test('an error of several lines is written as one', () => {
  expect(linesOf(aBackup({ error: 'first\r\nsecond\nthird' }))['error']).toBe('first second third');
});

test('the key of a field has underscores', () => {
  expect(snakeCase('childrenBackupIds')).toBe('children_backup_ids');
  expect(snakeCase('size')).toBe('size');
});

test('comments, blank lines and blanks around both sides are skipped', () => {
  expect(read('# made by hand\n\n  status =  DONE  \n\tsize=12\r\n')).toMatchObject({ status: 'DONE', size: 12 });
});

test('a value may hold the equals sign', () => {
  expect(read('pgdata=/srv/a=b').pgdata).toBe('/srv/a=b');
});

test('keys that a release did not know yet are null, and the rest has its default', () => {
  expect(read('')).toEqual(emptyBackup(id));
  expect(read('status=DONE\nsize=1')).toMatchObject({
    status: 'DONE',
    xlogSegmentSize: 16_777_216,
    encryption: null,
    mode: null,
  });
});

test('None is null for every field but those that cannot be', () => {
  const keys = recordFields().map(([key]) => key);
  const nullable = keys.filter((key) => !['status', 'xlog_segment_size'].includes(key));
  expect(read(nullable.map((key) => `${key}=None`).join('\n'))).toEqual(emptyBackup(id));
  expect(() => read('status=None')).toThrow('/home/main/meta/x-backup.info:1: status cannot be None');
  expect(() => read('xlog_segment_size=None')).toThrow('xlog_segment_size cannot be None');
});

test.each([
  ['status=DONE\nfuture key=1', '/home/main/meta/x-backup.info:2: not a key of a backup record: future key'],
  ['=1', ':1: not a key of a backup record: '],
  ['\n\nstatus', '/home/main/meta/x-backup.info:3: a line of a backup record must be "key=value"'],
  ['status=FINISHED', '/home/main/meta/x-backup.info:1: status cannot be read: FINISHED'],
  ['size=12 MB', ':1: size cannot be read: 12 MB'],
  ['size=99999999999999999999', ':1: size cannot be read: 99999999999999999999'],
  ['size=1.5', ':1: size cannot be read: 1.5'],
  ['begin_time=yesterday', ':1: begin_time cannot be read: yesterday'],
  ['begin_wal=00000001', ':1: begin_wal cannot be read: 00000001'],
  ['begin_xlog=16', ':1: begin_xlog cannot be read: 16'],
  ['backup_label=bare', ':1: backup_label cannot be read: bare'],
  ['copy_stats=[1]', ':1: copy_stats cannot be read: [1]'],
  ['included_files={}', ':1: included_files cannot be read: {}'],
  ["tablespaces=[('fast', '16384', '/srv')]", ':1: tablespaces cannot be read'],
  ['tablespaces=[1]', ':1: tablespaces cannot be read'],
  ['parent_backup_id=2026', ':1: parent_backup_id cannot be read: 2026'],
])('%j is told with file and line', (content, message) => {
  expect(() => read(content)).toThrow(
    expect.objectContaining({ code: 'backup-info-invalid', message: expect.stringContaining(message) as string }),
  );
});

test('tablespaces may be lists instead of tuples', () => {
  expect(read("tablespaces=[['fast', 16384, '/srv']]").tablespaces).toEqual([{ name: 'fast', oid: 16_384, location: '/srv' }]);
});

test('a label that went over passive nodes is quoted once more for each: all quotes go', () => {
  const once = String.raw`'START WAL LOCATION: 0/2 (file x)\nLABEL: a\n'`;
  const twice = JSON.stringify(once);
  const thrice = `'${twice.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  for (const written of [once, twice, thrice]) {
    expect(read(`backup_label=${written}`).backupLabel).toBe('START WAL LOCATION: 0/2 (file x)\nLABEL: a\n');
  }
});

test.each([
  [`children_backup_ids=${idOf(3)},${idOf(4)}`, [idOf(3), idOf(4)]],
  [`children_backup_ids=${idOf(3)}, ${idOf(4)}`, [idOf(3), idOf(4)]],
  [`children_backup_ids=${Array.from(idOf(3)).join(',')}`, []],
  ['children_backup_ids=', []],
])('%s has the children %j', (line, children) => {
  expect(read(line).childrenBackupIds).toEqual(children);
});

test('no children are written as None', () => {
  expect(linesOf(aBackup({ childrenBackupIds: [] }))['children_backup_ids']).toBe('None');
});

test('keys that only another release knows are kept in their places, and written back as they were', () => {
  const read3 = read('gp_dbid= 3\nconstructor=1\nstatus=FAILED\nzone=None\n__proto__=x');
  expect([...(read3.otherKeys ?? [])]).toEqual([
    ['gp_dbid', '3'],
    ['constructor', '1'],
    ['zone', 'None'],
    ['__proto__', 'x'],
  ]);
  const lines = formatBackupInfo({ ...read3, status: 'DONE' })
    .trimEnd()
    .split('\n');
  expect(lines).toEqual(lines.toSorted((a, b) => (a.split('=')[0]! < b.split('=')[0]! ? -1 : 1)));
  expect(lines).toEqual(expect.arrayContaining(['gp_dbid=3', 'constructor=1', 'zone=None', '__proto__=x', 'status=DONE']));
  expect(read(lines.join('\n'))).toEqual({ ...read3, status: 'DONE' });
  expect(read('status=DONE')).not.toHaveProperty('otherKeys');
});
