import { join } from 'node:path';
import { failureOf } from '../../transport/programs/program-result.ts';
import type { Place } from '../places/place.ts';

/** Lets the group into a data folder whose own folders it may read: a tar file and `pg_combinebackup` say nothing of the folder itself. */
export async function allowGroup(place: Pick<Place, 'find' | 'run'>, dataFolder: string): Promise<void> {
  await allowGroupAs(place, join(dataFolder, 'base'), dataFolder);
}

/** Lets the group into a folder when it may read another one. */
export async function allowGroupAs(place: Pick<Place, 'find' | 'run'>, example: string, folder: string): Promise<void> {
  const mode = (await place.find(example))?.mode ?? 0;
  if ((mode & 0o777) !== 0o750) return;
  const result = await place.run(['chmod', '0750', '--', folder]);
  if (result.exitCode !== 0) throw failureOf(result, `letting the group into ${folder}`);
}
