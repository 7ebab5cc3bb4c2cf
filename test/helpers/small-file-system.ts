// A file system that gets full: a tmpfs of a few megabytes, for tests of what happens when the disk is.
import { chown } from 'node:fs/promises';
import { serverUser } from '../machine/server-user.mjs';
import { runProgram } from './run-program.ts';
import { createTemporaryFolder, type TemporaryFolder } from './temporary-folder.ts';

interface SmallFileSystemOptions {
  readonly sizeMib: number;
  readonly owner?: 'self' | 'server';
}

/** Whether this process may mount: a test asks `test.skipIf(!(await canMount()))`. */
export async function canMount(): Promise<boolean> {
  await using folder = await createTemporaryFolder('fs');
  const { exitCode } = await runProgram(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder.path]);
  if (exitCode !== 0) return false;
  await unmount(folder.path);
  return true;
}

/** Mounted at `path`; unmounted and removed when disposed, which fails while somebody still works in it. */
export async function mountSmallFileSystem({ sizeMib, owner = 'self' }: SmallFileSystemOptions): Promise<TemporaryFolder> {
  const folder = await createTemporaryFolder('fs');
  const { exitCode, stderr } = await runProgram([
    'mount',
    '-t',
    'tmpfs',
    '-o',
    `size=${String(sizeMib)}m,mode=0755`,
    'tmpfs',
    folder.path,
  ]);
  if (exitCode !== 0) {
    await folder[Symbol.asyncDispose]();
    throw new Error(`a file system of ${String(sizeMib)} MiB cannot be mounted: ${stderr.trim()}`);
  }
  const user = serverUser();
  if (owner === 'server' && user !== undefined) await chown(folder.path, user.uid, user.gid);
  return {
    path: folder.path,
    [Symbol.asyncDispose]: async () => {
      await unmount(folder.path);
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function unmount(path: string): Promise<void> {
  const { exitCode, stderr } = await runProgram(['umount', path]);
  if (exitCode !== 0) throw new Error(`${path} cannot be unmounted: ${stderr.trim()}`);
}
