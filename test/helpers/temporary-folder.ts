import { chmod, chown, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
      await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}
