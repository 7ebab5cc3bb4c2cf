import { join } from 'node:path';
import { controlFile } from '../content/restored-files.ts';
import type { RestoreHost } from '../host/restore-host.ts';
import { type FullFolder, type Judging } from './judged-destination.ts';
import type { Refuse } from './refusals.ts';
import { unusable } from './refusals.ts';

/** The entries at the top of a data folder, and those that a restore adds. */
const clusterNames =
  /^(?:global|base|log|pg_[a-z]+|PG_VERSION|backup_(?:label|manifest)(?:\..*)?|postgresql(?:\.auto)?\.conf(?:\.origin)?|current_logfiles|barman_wal|\.barman-recover\.info|\.pgcellar-(?:combined|restoring))$/;

/**
 * Refuses a folder that has something in it, and tells what that looks like: a cluster, or the rest of a restore that did not finish.
 * @param unfinished the folders of such a restore, where it noted them
 */
export async function refuseFullFolder(
  { plan, restoreHost }: Judging,
  { path, what, names, unfinished }: FullFolder & { readonly unfinished: readonly string[] },
  refuse: Refuse,
): Promise<void> {
  const isUnfinished = unfinished.includes(path) || (await isHalfRestored(restoreHost, path, names));
  const isCluster = names.includes('PG_VERSION') || names.some((name) => /^PG_\d+(?:\.\d+)?_\d+$/.test(name));
  const shown = `${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}`;
  const holds = isCluster && !isUnfinished ? `holds the files of a cluster: ${shown}` : `it has ${shown}`;
  const isTablespace = what.startsWith('the location of tablespace');
  const left = path === plan.destination ? await fullOnes(restoreHost, unfinished.length > 0 ? unfinished : [path]) : [path];
  const wayOut = isTablespace
    ? 'choose an empty or new folder with --tablespace NAME:FOLDER'
    : 'choose an empty or new folder; only --delta-restore works on files that are there';
  refuse(
    unusable(
      `${what} ${path} is not empty: ${holds}`,
      isUnfinished
        ? `an earlier restore to ${path === plan.destination ? 'it' : plan.destination} did not finish: remove its files in ${left.join(' and ')}, and try again`
        : wayOut,
      path === plan.destination || isTablespace ? fullAsBarman(what, path) : undefined,
    ),
  );
}

const emptyIt = 'Please choose a different location or manually empty the folder.';

function fullAsBarman(what: string, path: string): string {
  const [, tablespace] = /^the location of tablespace (.*)$/s.exec(what) ?? [];
  return tablespace === undefined
    ? `The restore operation cannot proceed because the destination folder '${path}' is not empty. To prevent accidental data loss, the destination must be empty. ${emptyIt}`
    : `The restore operation cannot proceed. The destination path '${path}' for the tablespace '${tablespace}' is not empty. To prevent accidental data loss, the tablespace destination must be empty. ${emptyIt}`;
}

/** One of Barman's, or of which the note is gone. */
async function isHalfRestored(restoreHost: RestoreHost, path: string, names: readonly string[]): Promise<boolean> {
  const isLike = ['base', 'PG_VERSION'].some((name) => names.includes(name)) || names.every((name) => clusterNames.test(name));
  if (!isLike || (await restoreHost.find(join(path, controlFile))) !== undefined) return false;
  // links such as pg_wal that somebody has prepared: no restore to an empty folder makes them
  for (const name of names) if ((await restoreHost.find(join(path, name)))?.kind !== 'link') return true;
  return false;
}

async function fullOnes(restoreHost: RestoreHost, folders: readonly string[]): Promise<readonly string[]> {
  const full: string[] = [];
  for (const folder of folders) if (((await restoreHost.namesIn(folder)) ?? []).length > 0) full.push(folder);
  return full;
}
