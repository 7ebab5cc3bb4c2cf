import { mkdir, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ServerLayout } from '../catalog/server-layout.ts';
import { syncFolder } from '../shared/durable-file.ts';
import { pathExists } from '../shared/look.ts';
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
  await rename(source, path);
  await syncFolder(layout.errors);
  await syncFolder(dirname(source));
  return path;
}
