import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive } from '../shared/is-alive.ts';
import { isMissing } from '../shared/look.ts';

const dayMs = 86_400_000;

/** Removes what a killed put-wal left: its temporary files carry its process id. */
export async function removeLeftovers(folder: string, now: Date): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = /^\.(\d+)-/.exec(name)?.[1];
    if (pid === undefined) continue;
    // after a reboot the id may be another process's: no transfer takes a day
    const isOld = now.getTime() - (await changedAt(join(folder, name))) > dayMs;
    if (isOld || !isAlive(Number(pid))) await rm(join(folder, name), { force: true });
  }
}

/** When a file was last written or renamed, whatever its content's time says; now for one that is gone. */
async function changedAt(path: string): Promise<number> {
  try {
    return (await stat(path)).ctimeMs;
  } catch (error) {
    if (isMissing(error)) return Number.POSITIVE_INFINITY;
    throw error;
  }
}
