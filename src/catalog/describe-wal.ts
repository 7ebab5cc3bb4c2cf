import type { CustomCompression } from '../compression/codec.ts';
import { formOf } from '../encryption/stored-wal.ts';
import { sizeAndTime } from '../shared/look.ts';
import type { WalName } from '../wal/wal-name.ts';
import type { WalEntry } from './wal-entry.ts';

/** What the index has to say of an archived file; undefined when no file is at `path`. */
export async function describeWal(
  path: string,
  name: WalName,
  custom: CustomCompression | undefined,
): Promise<WalEntry | undefined> {
  const { size, time, isFile } = await sizeAndTime(path);
  if (!isFile) return undefined;
  const { compression, encryption } = await formOf(path, { custom });
  return { name, size, time, compression: compression ?? null, encryption: encryption ?? null };
}
