// A file system on which copies may share their blocks: an empty btrfs of 109 MiB, as `mkfs.btrfs` of btrfs-progs 6.2 makes it, from test/fixtures.
import { join } from 'node:path';
import { runProgram } from './run-program.ts';
import { createTemporaryFolder, type TemporaryFolder } from './temporary-folder.ts';

const image = join(import.meta.dirname, '../fixtures/empty-btrfs.img.zst');

/** Mounted at `path` until it is disposed; undefined where the kernel has no btrfs, or we may not mount. */
export async function mountReflinkFileSystem(): Promise<TemporaryFolder | undefined> {
  const folder = await createTemporaryFolder('rl');
  const [file, path] = [join(folder.path, 'image'), join(folder.path, 'mounted')];
  const script = 'zstd -q -d --sparse "$1" -o "$2" && mkdir "$3" && mount -t btrfs -o loop "$2" "$3"';
  const { exitCode } = await runProgram(['sh', '-c', script, 'sh', image, file, path]);
  if (exitCode !== 0) {
    await folder[Symbol.asyncDispose]();
    return undefined;
  }
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      const { exitCode: failed, stderr } = await runProgram(['umount', path]);
      if (failed !== 0) throw new Error(`${path} cannot be unmounted: ${stderr}`);
      await folder[Symbol.asyncDispose]();
    },
  };
}
