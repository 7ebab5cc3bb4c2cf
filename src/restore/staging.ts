import { randomBytes } from 'node:crypto';
import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isMissing } from '../shared/look.ts';
import type { Messages } from '../shared/messages.ts';
import { messageOf, OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { isAlive } from '../transport/stop-process.ts';
import type { Place } from './place.ts';

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

const nameThereShape = /^pgcellar-restore-(.+)-(\d+)-[0-9a-f]{16}$/;

/**
 * The same on the host that is restored to. The names say which host's process made a folder, so those that killed restores of this host left there can be told
 * from others and are removed.
 * @throws OperatorError `file-unwritable` or `ssh-failed`
 */
export async function makeStagingThere(
  place: Place,
  parent: string,
  { messages }: { readonly messages: Pick<Messages, 'warning'> },
): Promise<Staging> {
  for (const name of (await place.namesIn(parent)) ?? []) {
    const [, host, pid] = nameThereShape.exec(name) ?? [];
    const path = join(parent, name);
    if (host !== ownName() || isAlive(Number(pid)) || (await place.find(path))?.kind !== 'folder') continue;
    await place.remove(path);
  }
  // nobody can guess the name, so nobody can have made it
  const path = join(parent, `pgcellar-restore-${ownName()}-${String(process.pid)}-${randomBytes(8).toString('hex')}`);
  await place.makeFolder(path);
  const remove = async (): Promise<void> => {
    try {
      await place.remove(path);
    } catch (error) {
      messages.warning(`${messageOf(error)}; the next restore to that host removes it`); // what failed before matters more
    }
  };
  return { path, [Symbol.asyncDispose]: remove };
}

function ownName(): string {
  return hostname().replaceAll(/[^\w.-]/g, '_');
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
