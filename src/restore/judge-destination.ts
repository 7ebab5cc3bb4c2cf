import { join } from 'node:path';
import type { Backup } from '../catalog/backup.ts';
import type { ServerLayout } from '../catalog/server-layout.ts';
import { OperatorError } from '../shared/operator-error.ts';
import type { Place } from './place.ts';
import { type DestinationPlan, isWithin } from './plan-destination.ts';
import { type Refuse, throwRefusal } from './refusals.ts';
import { controlFile } from './restored-files.ts';
import { isUnfinishedNote, unfinishedFolders } from './unfinished-restore.ts';

interface Judging {
  readonly plan: DestinationPlan;
  readonly place: Place;
  /** Of the server; its folders are on this host. */
  readonly layout: ServerLayout;
  readonly backup: Pick<Backup, 'version' | 'systemid' | 'pgdata'>;
  /** Files that are there are brought to the state of the backup. */
  readonly isDelta: boolean;
}

/**
 * Looks at the folders of a plan: none may lie in the catalog, no server may run on them, and unless it is a delta restore each must be empty or missing,
 * hidden files count. A delta restore only overwrites an older copy of the same cluster.
 * @throws OperatorError `destination-unusable`, or hands each reason to `refuse`
 */
export async function judgeDestination(judging: Judging, refuse: Refuse = throwRefusal): Promise<void> {
  const { plan, place, isDelta } = judging;
  let unfinished: readonly string[] = [];
  for (const { path, what } of foldersOf(plan)) {
    await refuseCatalog({ path, what }, judging, refuse);
    const names = await namesIn(place, path, what, refuse);
    if (names === 'refused') continue;
    if (!(await place.isWritable(path))) refuse(unusable(`${what} ${path} cannot be written to by this user`));
    if (names === undefined) continue;
    if (path === plan.destination) {
      unfinished = (await unfinishedFolders(place, path)) ?? [];
      await refuseRunning(judging, names, refuse);
      if (isDelta) await refuseOtherCluster(judging, names, refuse);
    } else if (isDelta && names.length > 0) await refuseForeignTablespace(judging, { path, what, names }, refuse);
    const isNoted = names.every(isUnfinishedNote); // a restore that was cut short before it wrote anything else
    if (!isDelta && names.length > 0 && !isNoted) await refuseFull(judging, { path, what, names, unfinished }, refuse);
  }
  if (plan.wal.kind === 'staged') await refuseUnremovable(plan.wal.folder, plan, place, refuse);
  if (place.kind === 'local') await refuseSource(judging, refuse);
}

interface Folder {
  readonly path: string;
  readonly what: string;
}

interface FullFolder extends Folder {
  readonly names: readonly string[];
}

function foldersOf({ destination, tablespaces, wal }: DestinationPlan): readonly Folder[] {
  return [
    { path: destination, what: 'the destination' },
    ...tablespaces.map(({ name, location }) => ({ path: location, what: `the place of tablespace ${name}` })),
    ...(wal.kind === 'staged' ? [{ path: wal.folder, what: 'the WAL staging folder' }] : []),
  ];
}

async function refuseCatalog({ path, what }: Folder, { place, layout }: Judging, refuse: Refuse): Promise<void> {
  if (place.kind === 'remote') return; // the catalog is on this host
  const real = await place.realPath(path);
  for (const folder of [
    layout.root,
    layout.base,
    layout.wals,
    layout.xlogdb,
    layout.incoming,
    layout.streaming,
    layout.errors,
  ]) {
    if (!isWithin(real, await place.realPath(folder))) continue;
    refuse(unusable(`${what} ${path} lies in the catalog of server '${layout.serverName}'`, 'choose a folder outside of it'));
    return;
  }
}

async function namesIn(
  place: Place,
  path: string,
  what: string,
  refuse: Refuse,
): Promise<readonly string[] | 'refused' | undefined> {
  try {
    return await place.namesIn(path);
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    if (error.message.endsWith('ENOTDIR')) refuse(unusable(`${what} ${path} is not a folder`));
    else refuse(unusable(`${what} ${path} cannot be looked at: ${error.message}`));
    return 'refused';
  }
}

/** What lies at the top of a data folder, and what a restore adds there. */
const clusterNames =
  /^(?:global|base|log|pg_[a-z]+|PG_VERSION|backup_(?:label|manifest)(?:\..*)?|postgresql(?:\.auto)?\.conf(?:\.origin)?|current_logfiles|barman_wal|\.barman-recover\.info|\.pgcellar-(?:combined|restoring))$/;

async function refuseFull(
  { plan, place }: Judging,
  { path, what, names, unfinished }: FullFolder & { readonly unfinished: readonly string[] },
  refuse: Refuse,
): Promise<void> {
  const isUnfinished = unfinished.includes(path) || (await isHalfRestored(place, path, names));
  const isCluster = names.includes('PG_VERSION') || names.some((name) => /^PG_\d+(?:\.\d+)?_\d+$/.test(name));
  const shown = `${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}`;
  const holds = isCluster && !isUnfinished ? `holds the files of a cluster: ${shown}` : `it has ${shown}`;
  const isTablespace = what.startsWith('the place of tablespace');
  const left = path === plan.destination ? await fullOnes(place, unfinished.length > 0 ? unfinished : [path]) : [path];
  const wayOut = isTablespace
    ? 'choose an empty or new folder with --tablespace NAME:FOLDER'
    : 'choose an empty or new folder; only --delta-restore works on files that are there';
  refuse(
    unusable(
      `${what} ${path} is not empty: ${holds}`,
      isUnfinished
        ? `a restore to ${path === plan.destination ? 'it' : plan.destination} did not come to its end: remove what it left in ${left.join(' and ')}, and try again`
        : wayOut,
    ),
  );
}

/** One of Barman's, or of which the note is gone. */
async function isHalfRestored(place: Place, path: string, names: readonly string[]): Promise<boolean> {
  const isLike =
    ['.barman-recover.info', 'base', 'PG_VERSION'].some((name) => names.includes(name)) ||
    names.every((name) => clusterNames.test(name));
  return isLike && (await place.find(join(path, controlFile))) === undefined;
}

async function fullOnes(place: Place, folders: readonly string[]): Promise<readonly string[]> {
  const full: string[] = [];
  for (const folder of folders) if (((await place.namesIn(folder)) ?? []).length > 0) full.push(folder);
  return full;
}

/** `postmaster.pid`: process id, data folder, start, port, socket folder, address, one a line. */
async function refuseRunning({ plan, place }: Judging, names: readonly string[], refuse: Refuse): Promise<void> {
  if (!names.includes('postmaster.pid')) return;
  const file = join(plan.destination, 'postmaster.pid');
  const [pidText = '', , , port = '', socketFolder = '', address = ''] = (await place.readFile(file))
    .toString('latin1')
    .split('\n');
  const pid = Math.abs(Number(pidText));
  const folder = Number.isSafeInteger(pid) && pid > 0 ? await place.folderOfProcess(pid) : undefined;
  if (folder !== undefined && (folder === 'unknown' || folder === (await place.realPath(plan.destination)))) {
    refuse(
      unusable(
        `a PostgreSQL server runs on the destination ${plan.destination}: process ${String(pid)}, port ${port}`,
        'stop it first',
      ),
    );
    return;
  }
  const onSocket = socketFolder.startsWith('/') && (await place.listensOn(`${socketFolder}/.s.PGSQL.${port}`));
  const isPort = /^[1-9]\d{0,4}$/.test(port) && address.trim() !== ''; // without an address it listened on the socket only
  const onPort = !onSocket && isPort && (await place.listensOnPort(Number(port), address.trim()));
  if (!onSocket && !onPort) return;
  refuse(
    unusable(
      `a PostgreSQL server takes connections on port ${port}, which ${file} names`,
      `stop it; if it is another server, remove ${file} first`,
    ),
  );
}

async function refuseOtherCluster({ plan, place, backup }: Judging, names: readonly string[], refuse: Refuse): Promise<void> {
  if (names.length === 0) return;
  const { destination } = plan;
  if (!names.includes('PG_VERSION')) {
    const isUnfinished = names.includes('.barman-recover.info');
    if (isUnfinished) return;
    refuse(
      unusable(
        `the destination ${destination} is not empty and holds no cluster, so there is nothing for --delta-restore to work on`,
        'choose an empty folder, or the data folder of the cluster that was backed up',
      ),
    );
    return;
  }
  const version = (await place.readFile(join(destination, 'PG_VERSION'))).toString('latin1').trim();
  const wanted = majorText(backup.version ?? 0);
  if (version !== wanted) {
    refuse(
      unusable(
        `the destination ${destination} holds a cluster of PostgreSQL ${version}, the backup is of PostgreSQL ${wanted}`,
        'choose another folder',
      ),
    );
  }
  if ((await place.find(join(destination, 'global/pg_control'))) === undefined) return;
  const control = await place.readFile(join(destination, 'global/pg_control'));
  const identifier = control.length < 8 ? undefined : String(control.readBigUInt64LE(0));
  if (backup.systemid === null || identifier === backup.systemid) return;
  refuse(
    unusable(
      `the destination ${destination} holds another cluster (system identifier ${identifier ?? 'unknown'}, that of the backup is ${backup.systemid})`,
      'choose another folder',
    ),
    'other-cluster',
  );
}

/** A tablespace may only be overwritten when the cluster at the destination is the one that uses it. */
async function refuseForeignTablespace(
  { plan, place }: Judging,
  { path, what, names }: FullFolder,
  refuse: Refuse,
): Promise<void> {
  if (plan.wal.kind === 'staged' && path === plan.wal.folder) {
    if (isWithin(path, plan.destination)) return; // it belongs to the destination
    refuse(unusable(`${what} ${path} is not empty`, 'choose an empty or new folder'));
    return;
  }
  const real = await place.realPath(path);
  for (const { oid } of plan.tablespaces) {
    const target = await place.linkTarget(join(plan.destination, 'pg_tblspc', String(oid)));
    if (target !== undefined && (await place.realPath(target)) === real) return;
  }
  refuse(
    unusable(
      `${what} ${path} is not used by the destination ${plan.destination} and is not empty: it has ${names.slice(0, 3).join(', ')}`,
      'it may be the tablespace of another cluster: choose an empty folder with --tablespace NAME:FOLDER',
    ),
  );
}

/** The server that was backed up may be on this host, and its tablespaces are where a restore without relocation goes. */
async function refuseSource({ plan, place, backup }: Judging, refuse: Refuse): Promise<void> {
  const { pgdata } = backup;
  if (pgdata === null || (await place.realPath(pgdata)) === (await place.realPath(plan.destination))) return;
  for (const { oid, name, location } of plan.tablespaces) {
    const target = await place.linkTarget(join(pgdata, 'pg_tblspc', String(oid)));
    if (target === undefined || (await place.realPath(target)) !== (await place.realPath(location))) continue;
    refuse(
      unusable(
        `the place of tablespace ${name} ${location} is the tablespace of the server that was backed up, at ${pgdata}`,
        'choose an empty folder with --tablespace NAME:FOLDER',
      ),
    );
  }
}

/** Recovery ends with `rm -fr` on the staging folder, so nothing else may lie in it. */
async function refuseUnremovable(staging: string, plan: DestinationPlan, place: Place, refuse: Refuse): Promise<void> {
  const real = await place.realPath(staging);
  for (const path of [plan.destination, ...plan.tablespaces.map(({ location }) => location)]) {
    if (!isWithin(await place.realPath(path), real)) continue;
    refuse(
      unusable(
        `${path} lies in the WAL staging folder ${staging}, which is removed when recovery ends`,
        'choose a folder of its own',
      ),
    );
    return;
  }
}

/** What `PG_VERSION` holds: `17`, and `9.6` before PostgreSQL 10. */
function majorText(version: number): string {
  if (version >= 100_000) return String(Math.floor(version / 10_000));
  return `${String(Math.floor(version / 10_000))}.${String(Math.floor(version / 100) % 100)}`;
}

function unusable(message: string, hint?: string): OperatorError {
  return new OperatorError('destination-unusable', message, hint === undefined ? {} : { hint });
}
