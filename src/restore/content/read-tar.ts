import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Header } from 'tar-stream';
import { type WalStorage, writePlainWal } from '../../encryption/stored-wal.ts';
import { extractBytes, memberName } from '../../shared/byte-tar.ts';
import { messageOf, OperatorError, systemCodeOf } from '../../shared/operator-error.ts';

/** A member of a tar file: a name below the root of the tree, without `.` and `..`. */
export interface TarMember {
  /** Empty for the root itself. */
  readonly path: string;
  readonly kind: 'file' | 'folder' | 'link';
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  readonly modifiedAt: Date;
}

/** The answer of a visitor: that it has seen enough. */
export type Visit = (member: TarMember, content: Readable) => Promise<'stop' | undefined>;

/**
 * Reads a tar file of a backup, whatever it is compressed and encrypted with, member by member. What the visitor does not read is skipped.
 * @throws OperatorError `backup-not-usable` for a member that could reach another place, or when the file is damaged or cut off; `decryption-failed`
 */
export async function readTar(path: string, storage: WalStorage, visit: Visit): Promise<void> {
  const archive = extractBytes();
  const plain = new PassThrough({ highWaterMark: 1 << 20 });
  const reading = writePlainWal(path, plain, { ...storage, custom: undefined }).then(() => plain.end());
  reading.catch((error: unknown) => plain.destroy(error instanceof Error ? error : new Error(String(error))));
  const feeding = pipeline(plain, archive);
  feeding.catch(() => undefined); // the loop below meets the same failure
  try {
    for await (const entry of archive) {
      const member = memberOf(path, entry.header);
      if ((await visit(member, entry as unknown as Readable)) === 'stop') {
        plain.destroy();
        await reading.catch(() => undefined); // it was us who stopped it
        return;
      }
      entry.resume(); // streamx: nothing happens when all was read
    }
    await feeding;
    await reading;
  } catch (error) {
    plain.destroy();
    const cause = await reading.then(
      () => error,
      (reason: unknown) => (reason instanceof OperatorError ? reason : error),
    );
    if (cause instanceof OperatorError) throw cause;
    const code = systemCodeOf(cause);
    if (code !== undefined && /^E[A-Z]+$/.test(code))
      throw new OperatorError('file-unreadable', `cannot read ${path}: ${code}`, { cause });
    throw new OperatorError('backup-not-usable', `the tar file ${path} is damaged: ${messageOf(cause)}`, {
      hint: 'restore from another backup',
      cause,
    });
  }
}

function memberOf(path: string, { name: found, type, size, mode, mtime }: Header): TarMember {
  const name = memberName({ name: found });
  const kind = kindOf(type);
  const clean = cleanName(name);
  if (kind === undefined || clean === undefined) {
    const what = clean === undefined ? 'would be written outside the destination' : `is a ${type}, which no backup holds`;
    throw new OperatorError(
      'backup-not-usable',
      `the tar file ${path} is not a backup: its member ${JSON.stringify(name)} ${what}`,
    );
  }
  return { path: clean, kind, size, mode: mode & 0o777, modifiedAt: mtime };
}

function kindOf(type: Header['type']): TarMember['kind'] | undefined {
  switch (type) {
    case 'file':
    case 'contiguous-file':
      return 'file';
    case 'directory':
      return 'folder';
    case 'symlink':
      return 'link';
    default:
      return undefined;
  }
}

/** Undefined for a name that is absolute, climbs, or cannot be a name. */
function cleanName(name: string): string | undefined {
  if (name.startsWith('/') || name.includes('\0')) return undefined;
  const words = name.split('/').filter((word) => word !== '' && word !== '.');
  return words.includes('..') ? undefined : words.join('/');
}
