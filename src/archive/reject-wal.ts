import { cp, mkdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ServerLayout } from '../catalog/server-layout.ts';
import { syncFile, syncFolder } from '../shared/durable-file.ts';
import { pathExists } from '../shared/look.ts';
import { systemCodeOf } from '../shared/operator-error.ts';
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
  await mkdir(layout.errors, { recursive: true });
  const stamp = `${formatCompactTime(withOffset(localTimestamp(now), 0))}Z`;
  let path = join(layout.errors, `${name}.${stamp}.${reason}`);
  for (let number = 1; await pathExists(path); number++)
    path = join(layout.errors, `${name}.${stamp}.${String(number)}.${reason}`);
  await moveFile(source, path);
  await syncFolder(layout.errors);
  await syncFolder(dirname(source));
  return path;
}

/** The errors folder may lie on another file system: then a whole, synced copy gets the name before the source goes. */
async function moveFile(source: string, path: string): Promise<void> {
  try {
    await rename(source, path);
    return;
  } catch (error) {
    if (systemCodeOf(error) !== 'EXDEV') throw error;
  }
  const temporary = `${path}.tmp`;
  await cp(source, temporary, { recursive: true, preserveTimestamps: true, force: true });
  if ((await stat(temporary)).isFile()) await syncFile(temporary);
  await rename(temporary, path);
  await rm(source, { recursive: true, force: true });
}
