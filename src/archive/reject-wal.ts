import { copyFile, cp, rm, stat, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ServerLayout } from '../catalog/server-layout.ts';
import { makeFolderDurably, syncFile, syncFolder } from '../shared/durable-file.ts';
import { bytesOf, onDisk } from '../shared/file-name.ts';
import { systemCodeOf } from '../shared/operator-error.ts';
import { renameNew } from '../shared/rename-new.ts';
import { formatCompactTime, localTimestamp, withOffset } from '../shared/timestamp.ts';

/** Ends of the names in the errors folder; all but the first two are ours. */
export type RejectionReason = 'duplicate' | 'unknown' | 'foreign' | 'misnamed';

/** Of a file name, in bytes. */
const longestName = 255;

/**
 * Moves something that must not enter the archive to `errors/NAME.STAMP.REASON` (docs/reference/catalog.md section 1.5); a name that is taken gets a
 * number before the reason, so nothing is ever overwritten.
 * @returns the path it has now
 */
export async function rejectWal(
  layout: ServerLayout,
  source: string,
  { reason, now, name = basename(source) }: { reason: RejectionReason; now: Date; name?: string },
): Promise<string> {
  await makeFolderDurably(layout.errors);
  const stamp = `${formatCompactTime(withOffset(localTimestamp(now), 0))}Z`;
  const pathOf = (number: string): string => {
    const end = `.${stamp}${number}.${reason}`;
    return join(layout.errors, `${shortened(name, longestName - temporaryEnd.length - end.length)}${end}`);
  };
  let path = pathOf('');
  for (let number = 1; !(await moveFile(source, path)); number++) path = pathOf(`.${String(number)}`);
  await syncFolder(layout.errors);
  await syncFolder(dirname(source));
  return path;
}

const temporaryEnd = `.${String(process.pid)}.tmp`;

/** The beginning of a name that fits into so many bytes, without half a character. */
function shortened(name: string, mostBytes: number): string {
  if (bytesOf(name).length <= mostBytes) return name;
  const characters = Array.from(name);
  while (bytesOf(characters.join('')).length > mostBytes) characters.pop();
  return characters.join('');
}

/** The errors folder may lie on another file system: then a whole, synced copy gets the name before the source goes. */
async function moveFile(source: string, path: string): Promise<boolean> {
  try {
    return await renameNew(source, path);
  } catch (error) {
    if (systemCodeOf(error) !== 'EXDEV') throw error;
  }
  const temporary = `${path}${temporaryEnd}`;
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
