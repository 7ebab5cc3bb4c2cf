import { join } from 'node:path';
import { controlFile, walFolders } from '../content/restored-files.ts';
import { type DestinationPlan, isWithin } from '../plan/plan-destination.ts';
import type { PlannedRestore } from '../plan/restore-plan.ts';
import type { RestoreHost } from './restore-host.ts';

/** A file in the destination until a restore to it has finished; it holds all folders that the restore writes to. */
const unfinishedFile = '.pgcellar-restoring';

/** Whether a file is that note, or what writing it has left when it was cut short. */
function isUnfinishedNote(name: string): boolean {
  return /^\.{1,2}pgcellar-restoring(?:\.\w+\.tmp)?$/.test(name);
}

/** Whether a file only tells of an earlier restore: what `rm -rf FOLDER/*` leaves of one. */
export function isLeftOfRestore(name: string): boolean {
  return isUnfinishedNote(name) || name === '.barman-recover.info';
}

/** Every folder that a restore writes to and that nothing else lies in, those inside of another left out. */
export function foldersWrittenTo({
  destination,
  tablespaces,
  wal,
}: Pick<DestinationPlan, 'destination' | 'tablespaces' | 'wal'>) {
  const all = [destination, ...tablespaces.map(({ location }) => location), ...(wal.kind === 'staged' ? [wal.folder] : [])];
  return all.filter((path, index) => index === 0 || !isWithin(path, destination));
}

/** Every folder that holds files of a finished restore, those behind kept links too. */
export function writtenFolders({ places, keptLinks }: Pick<PlannedRestore, 'places' | 'keptLinks'>): readonly string[] {
  const { destination, tablespaces, wal } = places;
  const linked = keptLinks.filter(({ name }) => walFolders.has(name)).map(({ target }) => target);
  const staged = wal.kind === 'staged' ? [wal.folder] : [];
  return [destination, ...tablespaces.map(({ location }) => location), ...linked, ...staged];
}

/** Notes that a restore has begun: before the first byte is written to any of its folders, which all were empty. */
export async function markUnfinished(restoreHost: RestoreHost, plan: DestinationPlan): Promise<void> {
  await restoreHost.makeFolder(plan.destination);
  const text = `${JSON.stringify(foldersWrittenTo(plan))}\n`;
  await restoreHost.writeFile(join(plan.destination, unfinishedFile), Buffer.from(text), 0o600);
}

/** The last step of a restore. */
export async function markFinished(restoreHost: RestoreHost, destination: string): Promise<void> {
  const names = (await restoreHost.namesIn(destination)) ?? [];
  for (const name of names.filter(isUnfinishedNote)) await restoreHost.remove(join(destination, name));
}

/** Folders that an unfinished restore has written to; undefined when there was none. */
export async function unfinishedFolders(restoreHost: RestoreHost, destination: string): Promise<readonly string[] | undefined> {
  const path = join(destination, unfinishedFile);
  if ((await restoreHost.find(path))?.kind !== 'file') return undefined;
  if ((await restoreHost.find(join(destination, controlFile))) !== undefined) return undefined; // all that was left to do was to remove the note
  const folders = parse((await restoreHost.readFile(path)).toString('utf8'));
  return Array.isArray(folders) ? folders.filter((folder) => typeof folder === 'string') : [destination];
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // a note with other content is not ours
  }
}
