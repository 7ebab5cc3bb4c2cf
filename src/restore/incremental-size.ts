import { open } from 'node:fs/promises';

/** Begins each file `INCREMENTAL.*` of an incremental backup (PostgreSQL 17, `src/include/backup/basebackup_incremental.h`). */
const magic = 0xd3ae1f0d;
const blockBytes = 8192;
const incrementalPrefix = 'INCREMENTAL.';

/**
 * Bytes of the file that `pg_combinebackup` makes of an incremental one: up to where the relation was truncated, or to the last block that came later.
 * Undefined when the file is none.
 */
export async function incrementalSize(path: string): Promise<number | undefined> {
  await using file = await open(path, 'r');
  const head = Buffer.alloc(12);
  if ((await file.read(head, 0, 12, 0)).bytesRead < 12 || head.readUInt32LE(0) !== magic) return undefined;
  const blocks = head.readUInt32LE(4);
  let length = head.readUInt32LE(8);
  const numbers = Buffer.alloc(blocks * 4);
  if (blocks > 0) await file.read(numbers, 0, numbers.length, 12);
  for (let at = 0; at < numbers.length; at += 4) length = Math.max(length, numbers.readUInt32LE(at) + 1);
  return length * blockBytes;
}

/** Name of the whole file; undefined for a name that is not that of an incremental one. */
export function wholeName(path: string): string | undefined {
  const slash = path.lastIndexOf('/') + 1;
  const name = path.slice(slash);
  return name.startsWith(incrementalPrefix) ? `${path.slice(0, slash)}${name.slice(incrementalPrefix.length)}` : undefined;
}
