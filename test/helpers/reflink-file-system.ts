// File systems on which copies may share their blocks, from test/fixtures: an empty btrfs of 109 MiB, as `mkfs.btrfs` of btrfs-progs 6.2 makes it, and an empty
// XFS of 110 MiB of `mkfs.xfs --unsupported` (for less than 300 MiB) of xfsprogs 6.1.
import { join } from 'node:path';
import { runProgram } from './run-program.ts';
import { createTemporaryFolder, type TemporaryFolder } from './temporary-folder.ts';

const fixtures = join(import.meta.dirname, '../fixtures');

type ReflinkFileSystem = 'btrfs' | 'xfs';

/** Mounted at `path` until it is disposed; undefined where the kernel does not know it, or we may not mount. */
export async function mountReflinkFileSystem(kind: ReflinkFileSystem): Promise<TemporaryFolder | undefined> {
  const image = join(fixtures, `empty-${kind}.img.zst`);
  const folder = await createTemporaryFolder('rl');
  const [file, path] = [join(folder.path, 'image'), join(folder.path, 'mounted')];
  const script = 'zstd -q -d --sparse "$1" -o "$2" && mkdir "$3" && mount -t "$4" -o loop "$2" "$3"';
  const { exitCode } = await runProgram(['sh', '-c', script, 'sh', image, file, path, kind]);
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

/** BTRFS_IOC_SUBVOL_CREATE of linux/btrfs.h; the program `btrfs` is rarely installed. */
const subvolumeScript = `import fcntl, os, struct, sys
folder = os.open(os.path.dirname(sys.argv[1]), os.O_RDONLY)
fcntl.ioctl(folder, 0x5000940e, bytearray(struct.pack('q4088s', 0, os.path.basename(sys.argv[1]).encode())))`;

/** Makes a subvolume of a mounted btrfs: a folder with a device number of its own. */
export async function makeSubvolume(path: string): Promise<void> {
  const { exitCode, stderr } = await runProgram(['python3', '-c', subvolumeScript, path]);
  if (exitCode !== 0) throw new Error(`the subvolume ${path} cannot be made: ${stderr}`);
}
