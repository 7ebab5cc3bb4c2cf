import { appendFile, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatBackupInfo } from '../../../../src/catalog/backups/backup-info.ts';
import { type BackupRecords, readBackupRecords } from '../../../../src/catalog/backups/backup-records.ts';
import type { ServerLayout } from '../../../../src/catalog/server-layout.ts';
import { formatPythonLiteral, PythonFloat, PythonTuple, type PythonValue } from '../../../../src/shared/python-literal.ts';
import { parseTimestamp } from '../../../../src/shared/timestamp.ts';
import { idOf } from '../a-backup.ts';
import { aCatalog } from '../a-catalog.ts';

/** From so many records on there is a cache. */
const many = 64;

const { literal } = fc.letrec<{ literal: PythonValue }>((tie) => ({
  literal: fc.oneof(
    { maxDepth: 3 },
    fc.string({ unit: 'binary' }),
    fc.integer(),
    fc.bigInt({ min: 2n ** 60n, max: 2n ** 80n }),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => new PythonFloat(value)),
    fc.constantFrom<PythonValue>(null, true, false, new PythonFloat(-0)),
    fc.array(tie('literal'), { maxLength: 3 }),
    fc.array(tie('literal'), { maxLength: 3 }).map((items) => new PythonTuple(items)),
    fc.dictionary(fc.string(), tie('literal'), { maxKeys: 3 }).map((dict) => new Map(Object.entries(dict))),
  ),
}));
const dict = fc
  .dictionary(fc.string(), literal, { maxKeys: 4 })
  .map((items) => formatPythonLiteral(new Map(Object.entries(items))));
/** Lines as any release may have written them, and some that nobody can read. */
const line = fc.oneof(
  dict.map((text) => `copy_stats=${text}`),
  dict.map((text) => `snapshots_info=${text}`),
  fc.constantFrom(
    'begin_time=2026-10-25 02:30:00.000001+02:00',
    'begin_time=2026-10-25 02:30:00',
    'end_time=Sun Oct 25 02:30:00 2026',
    "tablespaces=[('fast', 16384, '/srv/fast'), ['slow', 16385, '/srv/slow']]",
    'children_backup_ids=20260102T120000,20260103T120000',
    'begin_xlog=A/28',
    'begin_wal=00000001000000000000000A',
    'systemid=7000000000000000001',
    'size=9007199254740991',
    'size=None',
    'status=PERFECT',
    'no record',
  ),
  literal.map((text) => `backup_label=${formatPythonLiteral(text)}`),
);
const record = fc.array(line, { maxLength: 6 }).map((lines) => `status=DONE\n${lines.join('\n')}\n`);

async function clearCache(layout: ServerLayout): Promise<void> {
  await rm(join(layout.root, '.pgcellar'), { recursive: true, force: true });
}

/** An error is compared by everything that an operator sees of it. */
function comparable({ backups, broken }: BackupRecords): unknown {
  return { backups, broken: broken.map(({ id, reason: { code, message, hint } }) => ({ id, code, message, hint })) };
}

test('a record is the same with a warm cache, with a cold one, and where none can be stored, types included', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(record, { minLength: many, maxLength: many + 6 }), async (records) => {
      await using catalog = await aCatalog();
      const paths = records.map((_, number) => pathOf(number));
      await catalog.write(Object.fromEntries(paths.map((path, number) => [path, records[number] ?? ''])));
      await delay(30); // a record counts as unchanged when the cache is younger by more than a tick of the clock
      const cold = comparable(await readBackupRecords(catalog.layout));
      const content = await readFile(join(catalog.layout.root, '.pgcellar', 'backup-records'));
      const warm = comparable(await readBackupRecords(catalog.layout));
      expect(await readFile(join(catalog.layout.root, '.pgcellar', 'backup-records'))).toEqual(content);
      await clearCache(catalog.layout);
      await catalog.write({ '.pgcellar': 'a file, so that there is no cache' });
      const none = comparable(await readBackupRecords(catalog.layout));
      expect(warm).toStrictEqual(none);
      expect(cold).toStrictEqual(none);
    }),
    { numRuns: 12 },
  );
});

function pathOf(number: number): string {
  return `meta/20260102T12${String(1000 + number)}-backup.info`;
}

test('a record of a real backup is written back from a warm cache as it was', async () => {
  const text = formatBackupInfo({
    ...(await oneBackup()),
    copyStats: new Map<string, PythonValue>([
      ['total_time', new PythonFloat(1)],
      ['copy_time_per_item', new Map([['pgdata', new PythonFloat(0.5)]])],
    ]),
    beginTime: parseTimestamp('2026-01-02 12:00:00.000001+01:00') ?? null,
  });
  await using catalog = await aCatalog();
  for (let number = 0; number < many; number++) {
    await catalog.write({ [pathOf(number)]: text });
  }
  await delay(30);
  await readBackupRecords(catalog.layout);
  const { backups } = await readBackupRecords(catalog.layout);
  expect(backups.map(formatBackupInfo)).toEqual(Array.from({ length: many }, () => text));
});

async function oneBackup() {
  await using catalog = await aCatalog({ [`meta/${idOf(2)}-backup.info`]: 'status=DONE\n' });
  return (await readBackupRecords(catalog.layout)).backups[0]!;
}

test('a record that was changed is read again, whatever its size', async () => {
  await using catalog = await aCatalog();
  for (let number = 0; number < many; number++) {
    await catalog.write({
      [pathOf(number)]: 'size=1\n',
    });
  }
  await delay(30);
  await readBackupRecords(catalog.layout);
  await catalog.write({ [pathOf(0)]: 'size=2\n' });
  await appendFile(join(catalog.layout.root, pathOf(1)), 'version=3\n');
  const { backups } = await readBackupRecords(catalog.layout);
  expect(backups.slice(0, 3).map(({ size, version }) => [size, version])).toEqual([
    [2, null],
    [1, 3],
    [1, null],
  ]);
});
