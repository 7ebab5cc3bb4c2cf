import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { incrementalSize, incrementalSizeOf, wholeName } from '../../../../src/restore/content/incremental-size.ts';
import { createTemporaryFolder } from '../../../helpers/temporary-folder.ts';

/** As `basebackup_incremental.c` of PostgreSQL 17 writes it: magic, number of blocks, length after truncation, the blocks' numbers. */
function anIncrement({ truncatedTo, blocks }: { truncatedTo: number; blocks: readonly number[] }): Buffer {
  const head = Buffer.alloc(12 + 4 * blocks.length);
  for (const [index, word] of [0xd3_ae_1f_0d, blocks.length, truncatedTo, ...blocks].entries())
    head.writeUInt32LE(word, 4 * index);
  return Buffer.concat([head, Buffer.alloc(100, 1)]);
}

async function* inPieces(content: Buffer, bytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += bytes) yield await Promise.resolve(content.subarray(at, at + bytes));
}

test.each([
  { fact: 'a relation without changes is as long as it was cut to', truncatedTo: 7, blocks: [], pages: 7 },
  { fact: 'a block behind that makes it longer', truncatedTo: 2, blocks: [9, 3], pages: 10 },
  { fact: 'one before it does not', truncatedTo: 12, blocks: [0, 4], pages: 12 },
  {
    fact: 'the list of blocks may be longer than one read',
    truncatedTo: 1,
    blocks: Array.from({ length: 5000 }, (_, n) => n),
    pages: 5000,
  },
])('$fact', async ({ truncatedTo, blocks, pages }) => {
  const content = anIncrement({ truncatedTo, blocks });
  expect(await incrementalSizeOf(inPieces(content, 5), 'read-on')).toBe(pages * 8192);
  await using folder = await createTemporaryFolder('inc');
  const path = join(folder.path, 'INCREMENTAL.1259');
  await writeFile(path, content);
  expect(await incrementalSize(path)).toBe(pages * 8192);
});

test('a truncated or foreign file has no size', async () => {
  expect(
    await incrementalSizeOf(inPieces(anIncrement({ truncatedTo: 1, blocks: [1, 2] }).subarray(0, 18), 4), 'stop'),
  ).toBeUndefined();
  expect(await incrementalSizeOf(inPieces(Buffer.from('something else altogether'), 8), 'stop')).toBeUndefined();
});

test('only the name says that a file is an increment', () => {
  expect(wholeName('pg_tblspc/1/PG_17_202406281/5/INCREMENTAL.16384.1')).toBe('pg_tblspc/1/PG_17_202406281/5/16384.1');
  expect(wholeName('base/5/16384')).toBeUndefined();
});
