import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { segmentProblem } from '../../../src/shipping/wal-page.ts';
import { parseSegmentName } from '../../../src/wal/wal-name.ts';
import { createTemporaryFolder } from '../../helpers/temporary-folder.ts';

const segmentSize = 1 << 20;
const name = parseSegmentName('000000020000000000000003')!;

function aPage(change: (bytes: Buffer) => void = () => undefined): Buffer {
  const bytes = Buffer.alloc(segmentSize);
  bytes.writeUInt16LE(0xd110, 0);
  bytes.writeUInt16LE(2, 2);
  bytes.writeUInt32LE(2, 4);
  bytes.writeBigUInt64LE(3n * BigInt(segmentSize), 8);
  bytes.writeBigUInt64LE(42n, 24);
  bytes.writeUInt32LE(segmentSize, 32);
  change(bytes);
  return bytes;
}

test.each([
  { title: 'the segment itself', change: () => undefined, systemid: 42n, problem: undefined },
  {
    title: 'one that begins with pages of its parent timeline',
    change: (bytes: Buffer) => void bytes.writeUInt32LE(1, 4),
    systemid: 42n,
    problem: undefined,
  },
  { title: 'one whose cluster nobody knows', change: () => undefined, systemid: undefined, problem: undefined },
  { title: 'one of another cluster', change: () => undefined, systemid: 43n, problem: /another cluster/ },
  {
    title: 'one of another place',
    change: (bytes: Buffer) => void bytes.writeBigUInt64LE(0n, 8),
    systemid: 42n,
    problem: /another segment/,
  },
  {
    title: 'one of a newer timeline',
    change: (bytes: Buffer) => void bytes.writeUInt32LE(3, 4),
    systemid: 42n,
    problem: /newer timeline/,
  },
  {
    title: 'one of another length',
    change: (bytes: Buffer) => void bytes.writeUInt32LE(2 * segmentSize, 32),
    systemid: 42n,
    problem: /bytes instead of/,
  },
  {
    title: 'something else',
    change: (bytes: Buffer) => void bytes.writeUInt16LE(0x8b1f, 0),
    systemid: 42n,
    problem: /WAL page/,
  },
])('$title is told', async ({ change, systemid, problem }) => {
  await using folder = await createTemporaryFolder('wp');
  const path = join(folder.path, name);
  await writeFile(path, aPage(change));
  const found = await segmentProblem(path, name, { systemid });
  if (problem === undefined) expect(found).toBeUndefined();
  else expect(found).toMatch(problem);
});
