import { link, rename, rm } from 'node:fs/promises';
import { onDisk } from './file-name.ts';
import { pathExists } from './look.ts';
import { systemCodeOf } from './operator-error.ts';

/** The errors where a second name is not possible: for a folder, or by a file system that has none. */
const noLinks = ['EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'EMLINK', 'ENOSYS'];

/**
 * Renames a file within its file system, and never replaces another one, whoever makes that at the same time. Where there are no hard
 * links that is only nearly so.
 * @returns false when the name is taken
 */
export async function renameNew(from: string, to: string): Promise<boolean> {
  try {
    await link(onDisk(from), onDisk(to));
    await rm(onDisk(from), { force: true });
    return true;
  } catch (error) {
    const code = systemCodeOf(error) ?? '';
    if (code === 'EEXIST') return false;
    if (!noLinks.includes(code)) throw error;
  }
  if (await pathExists(to)) return false;
  await rename(onDisk(from), onDisk(to));
  return true;
}
