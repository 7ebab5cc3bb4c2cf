import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isAlive } from '../../shared/is-alive.ts';
import type { Messages } from '../../shared/messages.ts';
import { messageOf, OperatorError, systemCodeOf } from '../../shared/operator-error.ts';
import { makeScratchFolder, type ScratchFolder } from '../../shared/scratch-folder.ts';
import type { RestoreHost } from '../host/restore-host.ts';

/** A folder of our own for what is needed during a restore only; disposing removes it. */
export type Staging = ScratchFolder;

/**
 * Makes a staging folder of mode 0700, and removes those that killed restores of ours have left beside it.
 * @throws OperatorError `file-unwritable`
 */
export async function makeStaging(parent: string): Promise<Staging> {
  try {
    return await makeScratchFolder('restore', parent);
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
  restoreHost: RestoreHost,
  parent: string,
  { messages }: { readonly messages: Pick<Messages, 'warning'> },
): Promise<Staging> {
  for (const name of (await restoreHost.namesIn(parent)) ?? []) {
    const [, host, pid] = nameThereShape.exec(name) ?? [];
    const path = join(parent, name);
    if (host !== ownName() || isAlive(Number(pid)) || (await restoreHost.find(path))?.kind !== 'folder') continue;
    await restoreHost.remove(path);
  }
  // nobody can guess the name, so nobody can have made it
  const path = join(parent, `pgcellar-restore-${ownName()}-${String(process.pid)}-${randomBytes(8).toString('hex')}`);
  await restoreHost.makeFolder(path);
  const remove = async (): Promise<void> => {
    try {
      await restoreHost.remove(path);
    } catch (error) {
      messages.warning(`${messageOf(error)}; the next restore to that host removes it`); // the earlier failure matters more
    }
  };
  return { path, [Symbol.asyncDispose]: remove };
}

function ownName(): string {
  return hostname().replaceAll(/[^\w.-]/g, '_');
}
