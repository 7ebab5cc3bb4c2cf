import { copyFile, cp, rm, stat, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ServerLayout } from '../catalog/server-layout.ts';
import { makeFolderDurably, syncFile, syncFolder } from '../shared/durable-file.ts';
import { onDisk } from '../shared/file-name.ts';
import { systemCodeOf } from '../shared/operator-error.ts';
import { renameNew } from '../shared/rename-new.ts';
import { formatCompactTime, localTimestamp, withOffset } from '../shared/timestamp.ts';

/**
 * Moves something that must not enter the archive to `errors/NAME.STAMP.REASON` (catalog.md section 1.5); a name that is taken gets a
 * number before the reason, so nothing is ever overwritten.
 * @returns the path it has now
 */
export async function rejectWal(
  layout: ServerLayout,
  source: string,
  { reason, now, name = basename(source) }: { reason: 'duplicate' | 'unknown'; now: Date; name?: string },
): Promise<string> {
  await makeFolderDurably(layout.errors);
  const stamp = `${formatCompactTime(withOffset(localTimestamp(now), 0))}Z`;
  const pathOf = (number: string): string => join(layout.errors, `${name}.${stamp}${number}.${reason}`);
  let path = pathOf('');
  for (let number = 1; !(await moveFile(source, path)); number++) path = pathOf(`.${String(number)}`);
  await syncFolder(layout.errors);
  await syncFolder(dirname(source));
  return path;
}

/** The errors folder may lie on another file system: then a whole, synced copy gets the name before the source goes. */
async function moveFile(source: string, path: string): Promise<boolean> {
  try {
    return await renameNew(source, path);
  } catch (error) {
    if (systemCodeOf(error) !== 'EXDEV') throw error;
  }
  const temporary = `${path}.${String(process.pid)}.tmp`;
  const found = await stat(onDisk(source));
  if (found.isFile()) {
    await copyFile(onDisk(source), onDisk(temporary));
    await utimes(onDisk(temporary), found.atime, found.mtime);
    await syncFile(temporary);
  } else {
    await cp(source, temporary, { recursive: true, preserveTimestamps: true, force: true });
  }
  if (!(await renameNew(temporary, path))) return false;
  await rm(onDisk(source), { recursive: true, force: true });
  return true;
}
