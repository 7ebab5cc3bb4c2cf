import { expect, test } from 'vitest';
import { lastTransactionEnd } from '../../../src/wal/last-transaction-end.ts';
import { walkRecords } from '../../../src/wal/walk-records.ts';

const segmentSize = 1 << 20;
const start = 0x3000000n;
const since2000 = 946_684_800_000_000n;

interface Sketch {
  readonly manager?: number;
  readonly info?: number;
  /** Microseconds since 1970: makes it the record of a transaction's end. */
  readonly endMicros?: bigint;
  /** Bytes of another record's data. */
  readonly data?: number;
  /** Instead of the position of the record before. */
  readonly previous?: bigint;
  readonly withOrigin?: boolean;
}

interface Layout {
  /** Bytes of a record from the segment before. */
  readonly remainder?: number;
  readonly pageSize?: number;
}

/** A segment as PostgreSQL lays it out: records in pages with headers, cut at the end. */
function segmentOf(sketches: readonly Sketch[], { remainder = 0, pageSize = 8192 }: Layout = {}): Buffer {
  const segment = Buffer.alloc(segmentSize);
  const goingOn = new Map<number, number>([[0, remainder]]);
  let at = 0;
  const put = (bytes: Buffer): bigint => {
    const begin = at;
    for (const [index, byte] of bytes.entries()) {
      if (at >= segmentSize) break;
      if (at % pageSize === 0) {
        if (index > 0) goingOn.set(at, bytes.length - index);
        at += at === 0 ? 40 : 24;
      }
      segment[at] = byte;
      at += 1;
    }
    return start + BigInt(begin % pageSize === 0 ? begin + (begin === 0 ? 40 : 24) : begin);
  };
  const align = (): void => {
    while (at % 8 !== 0) at += 1;
  };
  put(Buffer.alloc(remainder, 0xee));
  align();
  let previous = start - 8n;
  for (const sketch of sketches) {
    const record = recordOf({ previous, ...sketch });
    previous = put(record);
    align();
  }
  for (let page = 0; page < segmentSize; page += pageSize) {
    const left = goingOn.get(page) ?? 0;
    segment.writeUInt16LE(0xd118, page);
    segment.writeUInt16LE((page === 0 ? 2 : 0) | (left > 0 ? 1 : 0), page + 2);
    segment.writeUInt32LE(1, page + 4);
    segment.writeBigUInt64LE(start + BigInt(page), page + 8);
    segment.writeUInt32LE(left, page + 16);
  }
  segment.writeBigUInt64LE(7n, 24);
  segment.writeUInt32LE(segmentSize, 32);
  segment.writeUInt32LE(pageSize, 36);
  return segment;
}

function recordOf({ manager = 10, info = 0, endMicros, data = 100, previous = 0n, withOrigin = false }: Sketch): Buffer {
  const time = Buffer.alloc(8);
  time.writeBigInt64LE((endMicros ?? 0n) - since2000);
  const origin = withOrigin ? Buffer.of(253, 1, 0) : Buffer.alloc(0);
  const body = endMicros === undefined ? Buffer.alloc(data, 0x11) : Buffer.concat([origin, Buffer.of(255, 8), time]);
  const header = Buffer.alloc(24);
  header.writeUInt32LE(header.length + body.length);
  header.writeBigUInt64LE(previous, 8);
  header[16] = info;
  header[17] = endMicros === undefined ? manager : 1;
  return Buffer.concat([header, body]);
}

const commit = (endMicros: bigint, info = 0x00): Sketch => ({ endMicros, info });
const other = (data: number): Sketch => ({ data });

test.each<{ title: string; segment: Buffer; end: bigint | undefined }>([
  { title: 'nothing but other records has none', segment: segmentOf([other(50), other(9000)]), end: undefined },
  { title: 'the last of several commits', segment: segmentOf([commit(5_000n), other(10), commit(9_000n)]), end: 9_000n },
  { title: 'an abort is an end, too', segment: segmentOf([commit(5_000n), commit(6_000n, 0x20)]), end: 6_000n },
  { title: 'so is the commit of a prepared transaction', segment: segmentOf([commit(6_000n, 0x30)]), end: 6_000n },
  { title: 'preparing one is none', segment: segmentOf([commit(5_000n), commit(6_000n, 0x10)]), end: 5_000n },
  { title: 'flags in the upper bits change nothing', segment: segmentOf([commit(5_000n, 0x80)]), end: 5_000n },
  { title: 'behind records that cross pages', segment: segmentOf([other(20_000), other(8_120), commit(5_000n)]), end: 5_000n },
  {
    title: 'behind the rest of a record of the segment before',
    segment: segmentOf([commit(5_000n)], { remainder: 12_345 }),
    end: 5_000n,
  },
  ...[1024, 4096, 16_384, 65_536].map((pageSize) => ({
    title: `in pages of ${String(pageSize)} bytes`,
    segment: segmentOf([other(20_000), commit(4_000n), other(90_000), commit(5_000n)], { pageSize, remainder: 12_345 }),
    end: 5_000n,
  })),
  {
    title: 'pages of a size that there is not have none',
    segment: segmentOf([commit(5_000n)], { pageSize: 1 << 17 }),
    end: undefined,
  },
  {
    title: 'with the origin of replication before the data',
    segment: segmentOf([{ endMicros: 4_000n, withOrigin: true }]),
    end: 4_000n,
  },
  {
    title: 'one behind a switch of WAL is of an older use',
    segment: segmentOf([commit(5_000n), { manager: 0, info: 0x40, data: 0 }, commit(9_000n)]),
    end: 5_000n,
  },
  {
    title: 'one that does not name the record before it is of an older use',
    segment: segmentOf([commit(5_000n), { endMicros: 9_000n, previous: 1n }]),
    end: 5_000n,
  },
  { title: 'bytes that are no WAL have none', segment: Buffer.alloc(segmentSize, 'x'), end: undefined },
  { title: 'nothing has none', segment: Buffer.alloc(0), end: undefined },
])('$title', ({ segment, end }) => {
  expect(lastTransactionEnd(segment)).toBe(end);
});

test('a commit that goes on in the next segment has not ended', () => {
  // 24 bytes are left for the third record: its header, and nothing of its data
  const filling = other(8152 + 127 * 8168 - 24 - 40 - 24);
  const segment = segmentOf([commit(5_000n), filling, commit(9_000n)]);
  expect([...walkRecords(segment)].map(({ isWhole }) => isWhole)).toEqual([true, true, false]);
  expect(lastTransactionEnd(segment)).toBe(5_000n);
});

test.each([1, 15, 23, 24, 8191])('a segment that is cut off %i bytes behind a page is read as far as it goes', (bytes) => {
  const cut = segmentOf([commit(5_000n), other(20_000), commit(9_000n)]).subarray(0, 8192 + bytes);
  expect(lastTransactionEnd(cut)).toBe(5_000n);
});

test('records are found where they lie', () => {
  const positions = [...walkRecords(segmentOf([other(8_200), other(3), commit(1n)]))].map(({ position }) => position);
  expect(positions).toEqual([start + 40n, start + 8192n + 24n + 72n, start + 8192n + 24n + 72n + 32n]);
});
