import { rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ServerLayout } from '../../../../src/catalog/server-layout.ts';
import { readContinuity } from '../../../../src/catalog/wal/read-continuity.ts';
import type { HistoryServer } from '../../../../src/catalog/wal/read-histories.ts';
import { quietContext } from '../../check/check-setup.ts';
import { aBackup, idOf, walOf } from '../a-backup.ts';
import { aCatalog } from '../a-catalog.ts';

const serverWith = (layout: ServerLayout): HistoryServer => ({
  layout,
  programPath: '/usr/bin:/bin',
  environment: {},
  config: { options: {} },
});
const lines = (...shorts: readonly string[]) =>
  shorts.map((short) => `${walOf(short)}\t16777216\t1770000000.5\tNone\n`).join('');

describe('the report', () => {
  const backups = [aBackup({ day: 2, begin: '1:2' }), aBackup({ day: 5, begin: '1:8' })];
  const report = async (layout: ServerLayout) =>
    readContinuity({ server: serverWith(layout), backups, isPassive: false }, quietContext());

  test('a segment in the incoming or the streaming folder is not lost', async () => {
    await using catalog = await aCatalog({
      'wals/main-xlog.db': lines('1:2', '1:3', '1:6', '1:7', '1:8'),
      [`incoming/${walOf('1:4')}`]: 'x',
      [`streaming/${walOf('1:5')}`]: 'x',
      [`streaming/${walOf('1:9.partial')}`]: 'x',
    });
    expect(await report(catalog.layout)).toMatchObject({ holes: [], waitingCount: 2 });
    await rm(join(catalog.layout.streaming, walOf('1:5')));
    const holes = [{ first: walOf('1:5'), last: walOf('1:5'), cutOff: [idOf(2)] }];
    expect(await report(catalog.layout)).toMatchObject({ holes, waitingCount: 1 });
  });

  test('the time of a window that ends with a segment that waits is that of its file', async () => {
    await using catalog = await aCatalog({
      'wals/main-xlog.db': lines('1:2', '1:8', '1:9'),
      [`incoming/${walOf('1:3')}`]: 'x',
    });
    await utimes(join(catalog.layout.incoming, walOf('1:3')), 1_600_000_000, 1_600_000_000);
    const [early] = backups;
    const options = { server: serverWith(catalog.layout), backups: [early!], isPassive: false };
    const { windows } = (await readContinuity(options, quietContext()))!;
    expect(windows).toMatchObject([{ to: { segment: walOf('1:3'), time: 1_600_000_000 } }]);
  });

  test('WAL behind a backup that is kept standalone was removed on purpose', async () => {
    await using catalog = await aCatalog({
      'wals/main-xlog.db': lines('1:2', '1:8'),
      [`meta/${idOf(2)}-keep`]: 'standalone',
    });
    expect(await report(catalog.layout)).toMatchObject({ holes: [], waitingCount: 0 });
    await writeFile(join(catalog.layout.root, 'meta', `${idOf(2)}-keep`), 'full');
    expect(await report(catalog.layout)).toMatchObject({ holes: [{ cutOff: [idOf(2)] }] });
  });

  test('without a backup there is none, and nothing is written', async () => {
    await using catalog = await aCatalog({ 'wals/main-xlog.db': lines('1:2', '1:4') });
    const options = { server: serverWith(catalog.layout), backups: [], isPassive: false };
    expect(await readContinuity(options, quietContext())).toBeUndefined();
    await expect(stat(join(catalog.layout.root, '.pgcellar'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
