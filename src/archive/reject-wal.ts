import { cp, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ServerLayout } from '../catalog/server-layout.ts';
import { makeFolderDurably, syncFile, syncFolder } from '../shared/durable-file.ts';
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
  await cp(source, temporary, { recursive: true, preserveTimestamps: true, force: true });
  if ((await stat(temporary)).isFile()) await syncFile(temporary);
  if (!(await renameNew(temporary, path))) return false;
  await rm(source, { recursive: true, force: true });
  return true;
}
