import { join } from 'node:path';
import { failureOf } from '../../transport/programs/program-result.ts';
import { walKindOf } from '../../wal/wal-name.ts';
import { refuseCatalog, unwritable } from '../guards/judge-destination.ts';
import type { Judging } from '../guards/judged-destination.ts';
import type { Refuse } from '../guards/refusals.ts';
import type { RestoreHost } from '../host/restore-host.ts';
import { isWithin } from '../plan/plan-destination.ts';
import { emptiedFolders, type KeptLink, walFolders } from './restored-files.ts';

/** Where the WAL of the cluster that a delta restore overwrites is kept: it may hold the last transactions. */
export const asideWalFolder = 'pg_wal.before-restore';
const otherWalNames = /^(?:archive_status|summaries|xlogtemp\..*)$/;
const shownLinks = 10;
/** So that a command line does not become too long. */
const namesPerStep = 500;

/**
 * Looks at the symbolic links of an older copy. Those of the folders for WAL and logs are kept: nothing of a backup goes through them but WAL. All others give
 * way to what the backup has, because an earlier backup may have brought them, and what follows could be led anywhere; both paths of each are told.
 */
export async function judgeLinks(
  judging: Judging,
  refuse: Refuse,
): Promise<{ readonly kept: readonly KeptLink[]; readonly told: readonly string[] }> {
  const { plan, restoreHost, isDelta } = judging;
  const { destination } = plan;
  if (!isDelta || (await restoreHost.find(destination)) === undefined) return { kept: [], told: [] };
  const kept: KeptLink[] = [];
  const told: string[] = [];
  let others = 0;
  for (const [path, text] of await restoreHost.linksBelow(destination)) {
    if (/^pg_tblspc\/\d+$/.test(path)) continue; // made anew
    const whole = join(destination, path);
    const target = emptiedFolders.has(path) ? await foreignFolder(judging, whole) : undefined;
    if (target === undefined) {
      if (others++ < shownLinks)
        told.push(`${whole} is a symbolic link to ${text}: the content of the backup replaces it, ${text} stays as it is`);
      continue;
    }
    const folder = { path: target, what: `the folder that ${whole} is a link to,` };
    await refuseCatalog(folder, judging, refuse);
    if (!(await restoreHost.isWritable(target))) refuse(unwritable(folder));
    kept.push({ name: path, target });
    told.push(`${whole} is a symbolic link to ${target} and is kept: ${whatHappens(path, target)}`);
  }
  if (others > shownLinks)
    told.push(`${String(others - shownLinks)} more symbolic links are replaced with the content of the backup`);
  return { kept, told };
}

function whatHappens(name: string, target: string): string {
  return walFolders.has(name)
    ? `WAL goes there, and the files that are there now move to ${join(target, asideWalFolder)}`
    : 'the files there stay';
}

/** Puts the WAL that lies behind a kept link aside, and what an earlier attempt left away; what PostgreSQL does not know stays. */
export async function clearLinkedWal(restoreHost: RestoreHost, { target }: KeptLink): Promise<void> {
  const names = (await restoreHost.namesIn(target)) ?? [];
  const paths = names
    .filter((name) => walKindOf(name) !== undefined || otherWalNames.test(name))
    .map((name) => join(target, name));
  const aside = join(target, asideWalFolder);
  const isDone = names.includes(asideWalFolder);
  const half = `${aside}.part`; // has its name when all is in it
  if (!isDone) await restoreHost.makeFolder(half);
  for (let first = 0; first < paths.length; first += namesPerStep) {
    const some = paths.slice(first, first + namesPerStep);
    if (!isDone) await restoreHost.moveInto(half, some);
    else {
      const result = await restoreHost.run(['rm', '-rf', '--', ...some]);
      if (result.exitCode !== 0) throw failureOf(result, `removing WAL in ${target}`);
    }
  }
  if (!isDone) await restoreHost.rename(half, aside);
}

/** The folder behind a link, when it is one and has nothing to do with those that are restored. */
async function foreignFolder({ plan, restoreHost }: Judging, path: string): Promise<string | undefined> {
  const target = await restoreHost.realPath(path);
  if ((await restoreHost.find(target))?.kind !== 'folder') return undefined;
  for (const restored of [plan.destination, ...plan.tablespaces.map(({ location }) => location)]) {
    const real = await restoreHost.realPath(restored);
    if (isWithin(target, real) || isWithin(real, target)) return undefined;
  }
  return target;
}
