import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServerLayout } from '../catalog/server-layout.ts';
import type { Context } from '../shared/context.ts';
import { syncFile } from '../shared/durable-file.ts';
import { isMissing } from '../shared/look.ts';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { renameNew } from '../shared/rename-new.ts';
import { digestOfFile } from './digest-of-file.ts';
import type { DigestName } from './read-checksums.ts';
import { rejectWal } from './reject-wal.ts';

interface CheckedFile {
  readonly name: string;
  readonly temporary: string;
  readonly digest: DigestName;
  /** What its bytes are known to have. */
  readonly sum: string | undefined;
}

/**
 * Gives a received file its name in the incoming folder, synced; the folder is left to the caller to sync. What waits there under that
 * name is never replaced: the same bytes once more are dropped, others go to the errors folder.
 */
export async function publishArrival(
  layout: ServerLayout,
  file: CheckedFile,
  { clock, messages }: Pick<Context, 'clock' | 'messages'>,
): Promise<void> {
  const { name, temporary, sum } = file;
  await syncFile(temporary);
  const path = join(layout.incoming, name);
  for (;;) {
    if (await renameNew(temporary, path)) return;
    const present = await syncedDigest(path, file);
    if (present === undefined) continue; // the archiver has taken it meanwhile
    if (present === sum) return;
    const movedTo = await rejectWal(layout, temporary, { reason: 'duplicate', now: clock.now(), name });
    messages.info(`\tError: ${name} is already waiting with other content; the new one was moved to ${movedTo}`);
    return;
  }
}

/** Acknowledging a file means that it is on disk, whoever brought it. Undefined when it is gone. */
async function syncedDigest(path: string, { digest }: CheckedFile): Promise<string | undefined> {
  try {
    const found = await digestOfFile(path, digest);
    await syncFile(path);
    return found;
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === 'EISDIR' || (code === 'ENOENT' && (await isDeadLink(path)))) {
      throw new OperatorError('file-unwritable', `${path} is no file, and in the way of one that arrived`, { cause: error });
    }
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function isDeadLink(path: string): Promise<boolean> {
  return await lstat(path).then(
    (found) => found.isSymbolicLink(),
    () => false, // gone: the archiver was quicker
  );
}
