import { chmod, chown, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { serverUser } from '../machine/server-user.mjs';

export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}

interface FolderOptions {
  /** Owned by the user that PostgreSQL runs as; ours by default. */
  readonly owner?: 'self' | 'server';
}

/** A folder that everybody may enter, with a short path (a socket's path ends at 107 bytes); removed with its content. */
export async function createTemporaryFolder(prefix: string, { owner = 'self' }: FolderOptions = {}): Promise<TemporaryFolder> {
  const path = await realpath(await mkdtemp(join(tmpdir(), `${prefix}-`)));
  await chmod(path, 0o755);
  const user = serverUser();
  if (owner === 'server' && user !== undefined) await chown(path, user.uid, user.gid);
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      await removeWhole(path);
    },
  };
}

/** A killed process is gone for us while its last system call still makes a file: then the folder is removed once more. */
async function removeWhole(path: string): Promise<void> {
  for (let triesLeft = 50; ; triesLeft--) {
    try {
      await rm(path, { recursive: true, force: true });
      return;
    } catch (error) {
      const isFilledMeanwhile = (error as NodeJS.ErrnoException).code === 'ENOTEMPTY';
      if (!isFilledMeanwhile || triesLeft === 0) throw error;
      await delay(100);
    }
  }
}
