import { constants } from 'node:fs';
import { copyFile, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemCodeOf } from '../../shared/operator-error.ts';

/** open(2): a file without a name, which is gone when it is closed; Node has no constant for it. */
const unnamed = 0o20200000;

/**
 * Whether a copy of a file in a folder would share its blocks, found out by trying: a clone works on btrfs across its subvolumes too, on XFS when it was made
 * with reflinks, and never between two file systems. Nothing is left, and a folder that will be made is looked for above it.
 * @returns false as well when the folder cannot be written to, or its file system has no files without a name
 */
export async function canClone(file: string, folder: string): Promise<boolean> {
  try {
    await using target = await open(folder, unnamed | constants.O_RDWR, 0o600);
    await copyFile(file, `/proc/self/fd/${String(target.fd)}`, constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === undefined) throw error;
    return code === 'ENOENT' && dirname(folder) !== folder ? await canClone(file, dirname(folder)) : false;
  }
}
