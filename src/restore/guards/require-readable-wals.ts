import { Writable } from 'node:stream';
import type { WalEntry } from '../../catalog/index/wal-entry.ts';
import { readPlainSegment, segmentProblem } from '../../catalog/wal/segment-content.ts';
import { walArchiveOf } from '../../catalog/wal/wal-archive.ts';
import type { Server } from '../../config/server.ts';
import { storageOf, type WalStorage, writePlainWal } from '../../encryption/stored-wal.ts';
import { forEachConcurrently } from '../../shared/for-each-concurrently.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { segmentOf } from '../../wal/wal-name.ts';
import type { WaitingWal } from '../plan/read-archive-facts.ts';
import type { WalToCopy } from '../wal/select-wals.ts';

const concurrentFiles = 16;

/**
 * Looks whether WAL can be copied as it is planned, before anything is written: every file is there, and one of each form (compression, encryption) is read, so
 * that a program, a passphrase or a key that is missing is known.
 * @param waiting WAL that will be archived first; it lies plain where it waits
 * @throws OperatorError `wal-not-found`, `program-missing`, `decryption-failed`, `configuration-invalid` or `file-unreadable`
 */
export async function requireReadableWals(
  server: Server,
  copies: readonly WalToCopy[],
  waiting: readonly WaitingWal[] = [],
): Promise<void> {
  const archive = walArchiveOf(server.layout);
  const waits = new Set<string>(waiting.map(({ entry }) => entry.name));
  const archived = copies.filter(({ entry }) => !waits.has(entry.name));
  const firstOfForm = new Map<string, string>();
  for (const { entry } of archived) {
    const form = `${entry.compression ?? ''} ${entry.encryption ?? ''}`;
    if (form !== ' ' && !firstOfForm.has(form)) firstOfForm.set(form, archive.pathOf(entry.name));
  }
  await requireThere(server, archived);
  const storage = storageOf(server);
  for (const { entry } of archived) requireUsable(archive.pathOf(entry.name), entry, storage);
  for (const path of firstOfForm.values()) await writePlainWal(path, nowhere(), storage);
}

/** The error for a WAL file that only the index knows. */
export function notThere(server: Server, path: string, cause?: unknown): OperatorError {
  return new OperatorError(
    'wal-not-found',
    `the index of server '${server.config.name}' names a WAL file that is not there: ${path}`,
    { hint: 'rebuild-xlogdb writes the index anew from the existing files', cause },
  );
}

async function requireThere(server: Server, archived: readonly WalToCopy[]): Promise<void> {
  const archive = walArchiveOf(server.layout);
  const missing: string[] = [];
  await forEachConcurrently(archived, concurrentFiles, async ({ entry }) => {
    if (!(await archive.has(entry.name))) missing.push(archive.pathOf(entry.name));
  });
  const [first] = missing.toSorted();
  if (first !== undefined) throw notThere(server, first);
}

/**
 * The first page is looked at where it lies plain; what the index knows to be packed must be recognised as that, or its bytes would be
 * restored as they are.
 * @throws OperatorError `wal-stream-invalid`
 */
export function requireUsable(path: string, { name, compression, encryption }: WalEntry, storage: WalStorage): void {
  const segment = segmentOf(name);
  if (segment === undefined || name.endsWith('.backup')) return;
  const content = readPlainSegment(path, storage);
  if (content === undefined) return;
  const isPacked = compression !== null || encryption !== null;
  const problem =
    content.kind === 'foreign-matter' && isPacked
      ? `the index says that it is stored with ${compression ?? encryption ?? ''}, but its content is not`
      : segmentProblem(content, segment);
  if (problem === undefined) return;
  throw new OperatorError('wal-stream-invalid', `the WAL segment ${path} cannot be restored: ${problem}`, {
    hint: 'restore to a target before it, or have a whole copy of it archived, which takes its place',
  });
}

function nowhere(): Writable {
  return new Writable({
    write(_chunk, _encoding, done) {
      done();
    },
  });
}
