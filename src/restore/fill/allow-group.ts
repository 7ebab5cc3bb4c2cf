import { join } from 'node:path';
import { failureOf } from '../../transport/programs/program-result.ts';
import type { RestoreHost } from '../host/restore-host.ts';

/** Lets the group into a data folder whose own folders it may read: a tar file and `pg_combinebackup` say nothing of the folder itself. */
export async function allowGroup(restoreHost: Pick<RestoreHost, 'find' | 'run'>, dataFolder: string): Promise<void> {
  await allowGroupAs(restoreHost, join(dataFolder, 'base'), dataFolder);
}

/** Lets the group into a folder when it may read another one. */
export async function allowGroupAs(
  restoreHost: Pick<RestoreHost, 'find' | 'run'>,
  example: string,
  folder: string,
): Promise<void> {
  const mode = (await restoreHost.find(example))?.mode ?? 0;
  if ((mode & 0o777) !== 0o750) return;
  const result = await restoreHost.run(['chmod', '0750', '--', folder]);
  if (result.exitCode !== 0) throw failureOf(result, `letting the group into ${folder}`);
}
