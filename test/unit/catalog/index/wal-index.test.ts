import { appendFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { WalIndex } from '../../../../src/catalog/index/wal-index.ts';
import { serverLockPath, xlogdbPath } from '../../../../src/catalog/server-layout.ts';
import { walArchiveOf } from '../../../../src/catalog/wal/wal-archive.ts';
import { isLockHeld } from '../../../../src/shared/file-lock.ts';
import { aSegment } from '../../../helpers/wal-segment.ts';
import { anEntry, walOf } from '../a-backup.ts';
import { aCatalog, indexText } from '../a-catalog.ts';

const line = (short: string) => `${walOf(short)}\t16777216\t1770000000.5\tNone\n`;

test('entries are appended in the order they come', async () => {
  await using catalog = await aCatalog({ 'wals/main-xlog.db': line('1:3') });
  {
    await using index = await WalIndex.open(catalog.layout);
    await index.append([anEntry('1:5'), anEntry('1:4')]);
    await index.append([]);
    expect((await index.ledger()).has(walOf('1:4'))).toBe(true);
    expect((await index.ledger()).has(walOf('1:6'))).toBe(false);
  }
  expect(await indexText(catalog.layout)).toBe(line('1:3') + line('1:5') + line('1:4'));
});

test.each([
  { title: 'a piece of a name', torn: '0000000100000' },
  { title: 'a line without its newline', torn: line('1:4').trimEnd() },
  { title: 'a line whose time was cut', torn: `${walOf('1:4')}\t16777216\t17` },
  { title: 'zeros, as a power cut leaves them', torn: '\0'.repeat(200) },
])('$title at the end is not there, and the next append cuts it off', async ({ torn }) => {
  await using catalog = await aCatalog({ 'wals/main-xlog.db': line('1:3') + torn });
  {
    await using index = await WalIndex.open(catalog.layout);
    expect((await index.ledger()).has(walOf('1:4'))).toBe(false);
    await index.append([anEntry('1:4')]);
  }
  expect(await indexText(catalog.layout)).toBe(line('1:3') + line('1:4'));
});

test('an index of one torn line is empty', async () => {
  await using catalog = await aCatalog({ 'wals/main-xlog.db': '00000001' });
  expect(await catalog.indexed()).toEqual([]);
  await using index = await WalIndex.open(catalog.layout);
  await index.append([anEntry('1:4')]);
  expect(await indexText(catalog.layout)).toBe(line('1:4'));
});

test('a line that is no entry is told by its number; blank lines are skipped', async () => {
  await using catalog = await aCatalog({ 'wals/main-xlog.db': `${line('1:3')}\nnonsense\n` });
  await expect(catalog.indexed()).rejects.toMatchObject({
    code: 'wal-index-invalid',
    message: `${xlogdbPath(catalog.layout)}:3: not a line of a WAL index: nonsense`,
  });
});

test('a failed visit leaves the lock free', async () => {
  await using catalog = await aCatalog({ 'wals/main-xlog.db': 'nonsense\n' });
  await expect(catalog.indexed()).rejects.toThrow();
  expect(await isLockHeld(serverLockPath(catalog.layout, 'xlogdb'))).toBe(false);
});

test('an index of more than one read buffer is read whole', async () => {
  const count = 30_000;
  const lines = Array.from({ length: count }, (_, number) => line(`1:${number.toString(16)}`));
  await using catalog = await aCatalog({ 'wals/main-xlog.db': lines.join('') });
  expect(await catalog.indexed()).toEqual(lines.map((text) => text.slice(0, 24)));
});

test('the remaining lines replace the file, each as it was', async () => {
  const old = `${walOf('1:3')} 16777216 1770000000.5\n`;
  const encrypted = `${walOf('1:5')}\t1\t1.0\tgzip\tgpg\n`;
  await using catalog = await aCatalog({
    'wals/main-xlog.db': `${old}${line('1:4')}${encrypted}`,
  });
  await using index = await WalIndex.open(catalog.layout);
  await index.remove(new Set([walOf('1:4')]));
  expect(await indexText(catalog.layout)).toBe(old + encrypted);
  expect(await catalog.files('wals')).toEqual([]);
});

test('a missing index is built from the archive: segments, labels, histories and partial segments, compressed or not', async () => {
  const gzipped = gzipSync('segment');
  await using catalog = await aCatalog({
    'wals/0000000200000000/000000020000000000000006': 'segment',
    'wals/0000000100000000/000000010000000000000003': gzipped,
    'wals/0000000100000000/000000010000000000000003.00000028.backup': 'label',
    'wals/0000000100000000/000000010000000000000005.partial': 'piece',
    'wals/0000000100000000/000000010000000000000002': 'segment',
    'wals/0000000100000000/000000010000000000000004.compressed': 'left by a crash',
    'wals/0000000100000000/000000010000000000000007/file': 'a folder with a name of a segment',
    'wals/00000002.history': '1\t0/5000098\treason\n',
    'wals/notes': 'x',
    'wals/lost+found/000000010000000000000009': 'x',
    'wals/xlog.db': 'of a release before 3.13',
  });
  await utimes(walArchiveOf(catalog.layout).pathOf(walOf('1:3')), 1_770_000_000.25, 1_770_000_000.25);
  const entries = await catalog.entries();
  expect(entries.map(({ name, compression }) => [name, compression])).toEqual([
    [walOf('1:2'), null],
    [walOf('1:3'), 'gzip'],
    [walOf('1:3.00000028.backup'), null],
    [walOf('1:5.partial'), null],
    ['00000002.history', null],
    [walOf('2:6'), null],
  ]);
  expect(entries[1]).toMatchObject({ size: gzipped.length, time: 1_770_000_000.25 });
  await expect(stat(join(catalog.layout.wals, 'xlog.db'))).rejects.toMatchObject({ code: 'ENOENT' });
});

test('a rebuild counts what it found', async () => {
  await using catalog = await aCatalog({
    'wals/0000000100000000/000000010000000000000002': 'x',
    'wals/0000000100000000/000000010000000000000002.00000028.backup': 'x',
    'wals/0000000100000000/000000010000000000000003': 'x',
    'wals/00000002.history': 'x',
  });
  await using index = await WalIndex.open(catalog.layout);
  expect(await index.rebuild()).toEqual({ history: 1, backupLabels: 1, walFiles: 2, leftOut: [] });
});

test('a rebuild leaves out what is no whole file: empty, cut short, a folder', async () => {
  await using catalog = await aCatalog({
    'wals/0000000100000000/000000010000000000000002': '',
    'wals/0000000100000000/000000010000000000000003': aSegment(3).subarray(0, 500_000),
    'wals/0000000100000000/000000010000000000000004/x': 'x',
    'wals/0000000100000000/000000010000000000000005': aSegment(5),
    'wals/00000002.history': '',
  });
  await using index = await WalIndex.open(catalog.layout);
  expect(await index.rebuild()).toEqual({
    history: 0,
    backupLabels: 0,
    walFiles: 1,
    leftOut: [...['1:2', '1:3', '1:4'].map(walOf), '00000002.history'],
  });
});

test('a rebuild replaces whatever the index said', async () => {
  await using catalog = await aCatalog({
    'wals/0000000100000000/000000010000000000000002': 'x',
    'wals/main-xlog.db': `nonsense\n${line('1:9')}`,
  });
  {
    await using index = await WalIndex.open(catalog.layout);
    await index.rebuild();
  }
  expect(await catalog.indexed()).toEqual([walOf('1:2')]);
});

test('the index of an archive without folder is empty, and is made', async () => {
  await using catalog = await aCatalog();
  expect(await catalog.indexed()).toEqual([]);
  expect(await indexText(catalog.layout)).toBe('');
});

test('a file that a crash left while the index was replaced is harmless', async () => {
  await using catalog = await aCatalog({ 'wals/main-xlog.db': line('1:3') + line('1:4') });
  await writeFile(`${xlogdbPath(catalog.layout)}.tmp`, 'half of a l');
  await using index = await WalIndex.open(catalog.layout);
  await index.remove(new Set([walOf('1:3')]));
  expect(await indexText(catalog.layout)).toBe(line('1:4'));
});

test('a second user of the index waits for the first', async () => {
  await using catalog = await aCatalog({ 'wals/main-xlog.db': line('1:3') });
  const first = await WalIndex.open(catalog.layout);
  const second = WalIndex.open(catalog.layout);
  await appendFile(xlogdbPath(catalog.layout), line('1:4'));
  await first[Symbol.asyncDispose]();
  await using index = await second;
  expect((await index.ledger()).has(walOf('1:4'))).toBe(true);
});

test('waiting for the index ends with the signal', async () => {
  await using catalog = await aCatalog({ 'wals/main-xlog.db': '' });
  await using held = await WalIndex.open(catalog.layout);
  const abort = new AbortController();
  const waiting = WalIndex.open(catalog.layout, abort.signal);
  abort.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'interrupted' });
  expect((await held.ledger()).has(walOf('1:3'))).toBe(false);
});

test('a rebuild keeps what the index knows of a compression that nothing shows any more', async () => {
  await using catalog = await aCatalog({
    'wals/0000000100000000/000000010000000000000002': 'packed in a way of its own, and longer than the header of a page',
    'wals/0000000100000000/000000010000000000000003': aSegment(3),
    'wals/main-xlog.db': [2, 3].map((number) => `${walOf(`1:${String(number)}`)}\t7\t1770000000.5\tcustom\n`).join(''),
  });
  {
    await using index = await WalIndex.open(catalog.layout);
    await index.rebuild();
  }
  expect((await catalog.entries()).map(({ compression }) => compression)).toEqual(['custom', null]);
});
