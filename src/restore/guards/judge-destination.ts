import { join } from 'node:path';
import { catalogFolders } from '../../catalog/server-layout.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import type { RestoreHost } from '../host/restore-host.ts';
import { isLeftOfRestore, unfinishedFolders } from '../host/unfinished-restore.ts';
import { type DestinationPlan, isWithin } from '../plan/plan-destination.ts';
import { type Folder, type Judging } from './judged-destination.ts';
import { type Refuse, throwRefusal, unusable } from './refusals.ts';
import { refuseFullFolder } from './refuse-full-folder.ts';
import { refuseForeignTablespace, refuseOtherCluster } from './refuse-other-cluster.ts';
import { refuseRunningServer } from './refuse-running-server.ts';

/**
 * Looks at the folders of a plan: none may lie in the catalog, no server may run on them, and unless it is a delta restore each must be empty or missing,
 * hidden files count. A delta restore only overwrites an older copy of the same cluster.
 * @throws OperatorError `destination-unusable`, or hands each reason to `refuse`
 */
export async function judgeDestination(judging: Judging, refuse: Refuse = throwRefusal): Promise<void> {
  const { plan, restoreHost, isDelta } = judging;
  let unfinished: readonly string[] = [];
  for (const { path, what } of foldersOf(plan)) {
    await refuseCatalog({ path, what }, judging, refuse);
    const names = await namesIn(restoreHost, path, what, refuse);
    if (names === 'refused') continue;
    if (!(await restoreHost.isWritable(path))) refuse(unwritable({ path, what }));
    if (names === undefined) continue;
    if (path === plan.destination) {
      unfinished = (await unfinishedFolders(restoreHost, path)) ?? [];
      await refuseRunningServer(judging, names, refuse);
      if (isDelta) await refuseOtherCluster(judging, names, refuse);
    } else if (isDelta && names.length > 0) await refuseForeignTablespace(judging, { path, what, names }, refuse);
    const isNoted = names.every(isLeftOfRestore); // one that was cut short before it wrote anything else, or that was cleared away
    if (!isDelta && names.length > 0 && !isNoted) await refuseFullFolder(judging, { path, what, names, unfinished }, refuse);
  }
  if (plan.wal.kind === 'staged') await refuseUnremovable(plan.wal.folder, plan, restoreHost, refuse);
  if (restoreHost.kind === 'local') await refuseSource(judging, refuse);
}

function foldersOf({ destination, tablespaces, wal }: DestinationPlan): readonly Folder[] {
  return [
    { path: destination, what: 'the destination' },
    ...tablespaces.map(({ name, location }) => ({ path: location, what: `the location of tablespace ${name}` })),
    ...(wal.kind === 'staged' ? [{ path: wal.folder, what: 'the WAL staging folder' }] : []),
  ];
}

/** The reason against a folder of somebody else. */
export function unwritable({ path, what }: Folder): OperatorError {
  return unusable(`${what} ${path} cannot be written to by this user`);
}

/** No folder that a restore writes to may lie in the catalog. */
export async function refuseCatalog({ path, what }: Folder, { restoreHost, layout }: Judging, refuse: Refuse): Promise<void> {
  if (restoreHost.kind === 'remote') return; // the catalog is on this host
  const real = await restoreHost.realPath(path);
  for (const folder of catalogFolders(layout)) {
    if (!isWithin(real, await restoreHost.realPath(folder))) continue;
    refuse(unusable(`${what} ${path} lies in the catalog of server '${layout.serverName}'`, 'choose a folder outside of it'));
    return;
  }
}

async function namesIn(
  restoreHost: RestoreHost,
  path: string,
  what: string,
  refuse: Refuse,
): Promise<readonly string[] | 'refused' | undefined> {
  try {
    return await restoreHost.namesIn(path);
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    if (error.message.endsWith('ENOTDIR')) refuse(unusable(`${what} ${path} is not a folder`));
    else refuse(unusable(`${what} ${path} cannot be looked at: ${error.message}`));
    return 'refused';
  }
}

/** The server that was backed up may be on this host, and its tablespaces are where a restore without relocation goes. */
async function refuseSource({ plan, restoreHost, backup }: Judging, refuse: Refuse): Promise<void> {
  const { pgdata } = backup;
  if (pgdata === null || (await restoreHost.realPath(pgdata)) === (await restoreHost.realPath(plan.destination))) return;
  for (const { oid, name, location } of plan.tablespaces) {
    const target = await restoreHost.linkTarget(join(pgdata, 'pg_tblspc', String(oid)));
    if (target === undefined || (await restoreHost.realPath(target)) !== (await restoreHost.realPath(location))) continue;
    refuse(
      unusable(
        `the location of tablespace ${name} ${location} is the tablespace of the server that was backed up, at ${pgdata}`,
        'choose an empty folder with --tablespace NAME:FOLDER',
      ),
    );
  }
}

/** Recovery ends with `rm -fr` on the staging folder, so nothing else may lie in it. */
async function refuseUnremovable(
  staging: string,
  plan: DestinationPlan,
  restoreHost: RestoreHost,
  refuse: Refuse,
): Promise<void> {
  const real = await restoreHost.realPath(staging);
  for (const path of [plan.destination, ...plan.tablespaces.map(({ location }) => location)]) {
    if (!isWithin(await restoreHost.realPath(path), real)) continue;
    refuse(
      unusable(
        `${path} lies in the WAL staging folder ${staging}, which is removed when recovery ends`,
        'choose a folder of its own',
      ),
    );
    return;
  }
}
