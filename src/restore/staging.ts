import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing } from '../shared/look.ts';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { isAlive } from '../transport/stop-process.ts';

/** A folder of our own for what is needed during a restore only; disposing removes it. */
export interface Staging extends AsyncDisposable {
  readonly path: string;
}

const nameShape = /^pgcellar-restore-(\d+)-\w{6}$/;

/**
 * Makes a staging folder of mode 0700, and removes those that killed restores of ours have left beside it.
 * @throws OperatorError `file-unwritable`
 */
export async function makeStaging(parent: string): Promise<Staging> {
  await removeLeftovers(parent);
  try {
    const path = await mkdtemp(join(parent, `pgcellar-restore-${String(process.pid)}-`));
    return { path, [Symbol.asyncDispose]: async () => await rm(path, { recursive: true, force: true }) };
  } catch (error) {
    throw new OperatorError(
      'file-unwritable',
      `cannot make a staging folder in ${parent}: ${systemCodeOf(error) ?? String(error)}`,
      {
        hint: 'name another one with --staging-path',
        cause: error,
      },
    );
  }
}

/** Only what we own: in a folder like /tmp anybody may have made a name like ours. */
async function removeLeftovers(parent: string): Promise<void> {
  for (const name of await namesIn(parent)) {
    const pid = nameShape.exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    const path = join(parent, name);
    const found = await lstat(path);
    if (found.isDirectory() && found.uid === process.getuid?.()) await rm(path, { recursive: true, force: true });
  }
}

async function namesIn(parent: string): Promise<string[]> {
  try {
    return await readdir(parent);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
