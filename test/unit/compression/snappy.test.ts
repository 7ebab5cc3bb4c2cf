import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compressBlock, decompressBlock, SnappyDamage } from '../../../src/compression/snappy-block.ts';
import { crc32c, readSnappyFrames, writeSnappyFrames } from '../../../src/compression/snappy-frames.ts';

async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex');
}

const read = async (bytes: Buffer): Promise<Buffer> => await collect(readSnappyFrames(Readable.from([bytes])));
const identifier = 'ff060000 734e61507059';
/** What python-snappy 0.5.3 over libsnappy 1.1.9 wrote. */
const pythonText = 'wal wal wal wal wal wal segment 0123456789 segment 0123456789';
const pythonFrames = `${identifier} 00230000 386d02e7 3d 0c77616c20 4e0400 447365676d656e742030313233343536373839 4a1300`;

test.each([
  ['', '00000000'],
  ['123456789', 'e3069283'],
  ['\0'.repeat(32), '8a9136aa'],
])('the CRC-32C of %j is the one of RFC 3720', (text, hex) => {
  expect(crc32c(Buffer.from(text)).toString(16).padStart(8, '0')).toBe(hex);
});

describe('frames', () => {
  test('of Python are read, in one piece and byte by byte', async () => {
    const bytes = bytesOf(pythonFrames);
    expect((await read(bytes)).toString()).toBe(pythonText);
    expect((await collect(readSnappyFrames(Readable.from([...bytes].map((byte) => Buffer.of(byte)))))).toString()).toBe(
      pythonText,
    );
  });

  test('are those of Python', async () => {
    const written = await collect(writeSnappyFrames(Readable.from([Buffer.from(pythonText)])));
    expect(written.subarray(0, 11)).toEqual(bytesOf(`${identifier} 00`));
    expect(written.subarray(14, 18)).toEqual(bytesOf('386d02e7'));
    expect((await read(written)).toString()).toBe(pythonText);
  });

  test('incompressible data is framed as it is', async () => {
    const written = await collect(writeSnappyFrames(Readable.from([Buffer.from('abcdefgh')])));
    expect(written.subarray(10, 14)).toEqual(bytesOf('010c0000'));
    expect(written.subarray(18).toString()).toBe('abcdefgh');
  });

  test('several streams, padding and chunks that may be skipped are read', async () => {
    const bytes = bytesOf(`${pythonFrames} fe020000 0000 80010000 99 ${pythonFrames}`);
    expect((await read(bytes)).toString()).toBe(pythonText + pythonText);
  });

  test.each([
    { title: 'nothing', hex: '' },
    { title: 'no identifier', hex: pythonFrames.slice(identifier.length) },
    { title: 'a wrong identifier', hex: 'ff060000 734e61507058' },
    { title: 'an unknown chunk that may not be skipped', hex: `${identifier} 02010000 99` },
    { title: 'a wrong checksum', hex: pythonFrames.replace('386d', '386e') },
    { title: 'a chunk too short for its checksum', hex: `${identifier} 01020000 9999` },
    { title: 'an end within a chunk', hex: pythonFrames.slice(0, -2) },
    { title: 'an end within a header', hex: `${identifier} 0023` },
    { title: 'a block of more than 64 KiB', hex: `${identifier} 00080000 00000000 81800400` },
  ])('with $title are damaged', async ({ hex }) => {
    await expect(read(bytesOf(hex))).rejects.toBeInstanceOf(SnappyDamage);
  });
});

describe('blocks', () => {
  test('any bytes come back, also those that repeat themselves', () => {
    const pieces = fc.array(fc.tuple(fc.uint8Array({ maxLength: 80 }), fc.integer({ min: 1, max: 60 })), { maxLength: 12 });
    fc.assert(
      fc.property(pieces, (parts) => {
        const plain = Buffer.concat(parts.flatMap(([bytes, count]) => Array.from({ length: count }, () => bytes))).subarray(
          0,
          65_536,
        );
        expect(decompressBlock(compressBlock(plain), 65_536).equals(plain)).toBe(true);
      }),
    );
  });

  test.each([65_536, 65_535, 2048, 64, 5, 4, 3, 0])('%d bytes that are all the same come back, and are small', (length) => {
    const block = compressBlock(Buffer.alloc(length, 'x'));
    expect(decompressBlock(block, 65_536)).toEqual(Buffer.alloc(length, 'x'));
    expect(block.length).toBeLessThan(length / 20 + 10);
  });

  test.each([
    { title: 'a copy from before its begin', hex: '04 00 61 0101' },
    { title: 'a copy from where it is', hex: '05 0061 0100' },
    { title: 'more than it says', hex: '01 04 6161' },
    { title: 'less than it says', hex: '05 00 61' },
    { title: 'a literal that is cut off', hex: '05 10 61' },
    { title: 'a length without end', hex: 'ffffffffffff' },
  ])('with $title are damaged', ({ hex }) => {
    expect(() => decompressBlock(bytesOf(hex), 65_536)).toThrow(SnappyDamage);
  });

  test('no bytes at all make it read or write where it must not', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          expect(decompressBlock(Buffer.from(bytes), 65_536).length).toBeLessThanOrEqual(65_536);
        } catch (error) {
          expect(error).toBeInstanceOf(SnappyDamage);
        }
      }),
    );
  });
});
