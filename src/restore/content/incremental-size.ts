import { createReadStream } from 'node:fs';

/** Begins each file `INCREMENTAL.*` of an incremental backup (PostgreSQL 17, `src/include/backup/basebackup_incremental.h`). */
const magic = 0xd3ae1f0d;
const blockBytes = 8192;
const incrementalPrefix = 'INCREMENTAL.';

/**
 * Bytes of the file that `pg_combinebackup` makes of an incremental one: up to where the relation was truncated, or to the last block that came later.
 * Undefined when the file is none.
 */
export async function incrementalSize(path: string): Promise<number | undefined> {
  // how long the list of blocks is stands in the first bytes
  return await incrementalSizeOf(createReadStream(path, { highWaterMark: 8192 }), 'stop');
}

/** The same of the content of a file; the rest of it is read, too, unless it may be stopped. */
export async function incrementalSizeOf(content: AsyncIterable<Buffer>, then: 'stop' | 'read-on'): Promise<number | undefined> {
  let head = Buffer.alloc(0);
  let size: number | undefined;
  for await (const chunk of content) {
    if (size !== undefined) continue;
    head = Buffer.concat([head, chunk]);
    size = sizeIn(head);
    if (size !== undefined && then === 'stop') break;
  }
  return size;
}

/** Undefined as long as the list of blocks has not come to its end. */
function sizeIn(head: Buffer): number | undefined {
  if (head.length < 12 || head.readUInt32LE(0) !== magic) return undefined;
  const blocks = head.readUInt32LE(4);
  if (head.length < 12 + blocks * 4) return undefined;
  let length = head.readUInt32LE(8);
  for (let at = 12; at < 12 + blocks * 4; at += 4) length = Math.max(length, head.readUInt32LE(at) + 1);
  return length * blockBytes;
}

/** Name of the whole file; undefined for a name that is not that of an incremental one. */
export function wholeName(path: string): string | undefined {
  const slash = path.lastIndexOf('/') + 1;
  const name = path.slice(slash);
  return name.startsWith(incrementalPrefix) ? `${path.slice(0, slash)}${name.slice(incrementalPrefix.length)}` : undefined;
}
