import { lstat, readdir, realpath } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import type { Backup } from '../catalog/backup.ts';
import { backupFolder, type ServerLayout } from '../catalog/server-layout.ts';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import type { RestoreRequest } from './restore-options.ts';

/** A tablespace on its way from the catalog to its place. */
interface TablespaceMove {
  readonly oid: number;
  readonly name: string;
  /** Folder in the catalog. */
  readonly source: string;
  readonly location: string;
}

/** Where WAL goes: nowhere with `get-wal`, a folder that recovery reads and removes, or straight into the server's own. */
export type WalPlace =
  | { readonly kind: 'fetched' }
  | { readonly kind: 'staged'; readonly folder: string }
  | { readonly kind: 'in-place'; readonly folder: string };

/** Every folder that a restore writes to. */
export interface DestinationPlan {
  readonly source: string;
  readonly destination: string;
  readonly tablespaces: readonly TablespaceMove[];
  readonly wal: WalPlace;
  /** Name of the server's own WAL folder. */
  readonly walFolderName: string;
}

interface DestinationWish {
  readonly request: Pick<RestoreRequest, 'destination' | 'tablespaces' | 'stagingWalDirectory' | 'fetchesWal'>;
  readonly backup: Backup;
  readonly isPitr: boolean;
}

/**
 * Says where everything goes, from names alone.
 * @throws OperatorError `destination-unusable`
 */
export function planDestination(layout: ServerLayout, { request, backup, isPitr }: DestinationWish): DestinationPlan {
  if (request.destination.includes(':')) {
    throw unusable(
      "the destination directory parameter cannot contain the ':' character",
      'restoring to another host is not available yet in pgcellar 0.1.0',
    );
  }
  const destination = resolve(request.destination);
  const folder = backupFolder(layout, backup.id);
  const walFolderName = (backup.version ?? 0) >= 100_000 ? 'pg_wal' : 'pg_xlog';
  return {
    source: join(folder, 'data'),
    destination,
    tablespaces: planTablespaces(backup, { folder, locations: request.tablespaces, destination }),
    wal: planWalPlace({ request, isPitr, destination, walFolderName }),
    walFolderName,
  };
}

/**
 * Looks at the folders of a plan: each must be empty or missing, hidden files count, and none may lie in the catalog.
 * @throws OperatorError `destination-unusable`
 */
export async function requireUsableDestination(plan: DestinationPlan, layout: ServerLayout): Promise<void> {
  const staged = plan.wal.kind === 'staged' ? [{ path: plan.wal.folder, what: 'the WAL staging folder' }] : [];
  const folders = [
    { path: plan.destination, what: 'the destination' },
    ...plan.tablespaces.map(({ name, location }) => ({ path: location, what: `the place of tablespace ${name}` })),
    ...staged,
  ];
  const catalog = await Promise.all(
    [layout.root, layout.base, layout.wals, layout.xlogdb, layout.incoming, layout.streaming, layout.errors].map(realPathOf),
  );
  for (const { path, what } of folders) {
    const real = await realPathOf(path);
    if (catalog.some((folder) => isWithin(real, folder))) {
      throw unusable(`${what} ${path} lies in the catalog of server '${layout.serverName}'`, 'choose a folder outside of it');
    }
    await requireEmpty(path, what);
  }
  if (plan.wal.kind === 'staged') await requireRemovable(plan.wal.folder, plan);
}

interface TablespaceWish {
  readonly folder: string;
  readonly locations: Readonly<Record<string, string>>;
  readonly destination: string;
}

function planTablespaces(backup: Backup, { folder, locations, destination }: TablespaceWish): readonly TablespaceMove[] {
  const known = backup.tablespaces ?? [];
  for (const [name, location] of Object.entries(locations)) {
    if (!known.some((tablespace) => tablespace.name === name)) {
      const names = known.map((tablespace) => tablespace.name).join(', ');
      throw unusable(
        `invalid tablespace name '${name}'`,
        names === '' ? `backup ${backup.id} has no tablespaces` : `use any of the following tablespaces: ${names}`,
      );
    }
    if (!isAbsolute(location)) throw unusable(`the location of tablespace ${name} is no absolute path: ${location}`);
  }
  const moves = known.map(({ oid, name, location }) => {
    const wanted = Object.hasOwn(locations, name) ? locations[name] : undefined;
    return { oid, name, source: join(folder, String(oid)), location: resolve(wanted ?? location) };
  });
  for (const [index, { name, location }] of moves.entries()) {
    const other = moves.slice(0, index).find((move) => isWithin(move.location, location) || isWithin(location, move.location));
    if (other !== undefined) throw unusable(`tablespaces ${other.name} and ${name} would share the folder ${location}`);
    if (isWithin(destination, location)) throw unusable(`the destination lies in the place of tablespace ${name}: ${location}`);
  }
  return moves;
}

interface WalWish extends Pick<DestinationWish, 'request' | 'isPitr'> {
  readonly destination: string;
  readonly walFolderName: string;
}

function planWalPlace({ request, isPitr, destination, walFolderName }: WalWish): WalPlace {
  if (request.fetchesWal) return { kind: 'fetched' };
  if (!isPitr) return { kind: 'in-place', folder: join(destination, walFolderName) };
  const folder =
    request.stagingWalDirectory === undefined ? join(destination, 'barman_wal') : resolve(request.stagingWalDirectory);
  return { kind: 'staged', folder };
}

async function requireEmpty(path: string, what: string): Promise<void> {
  const names = await namesIn(path, what);
  if (names.length === 0) return;
  const isHalfRestored = ['.barman-recover.info', 'base', 'PG_VERSION'].some((name) => names.includes(name));
  const isUnfinished = isHalfRestored && (await isMissing(join(path, 'global', 'pg_control')));
  throw unusable(
    `${what} ${path} is not empty: it has ${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}`,
    isUnfinished
      ? 'a restore to it did not come to its end: remove what it left and try again'
      : 'choose an empty or new folder; nothing is ever overwritten',
  );
}

async function namesIn(path: string, what: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return [];
    if (systemCodeOf(error) === 'ENOTDIR') throw unusable(`${what} ${path} is not a folder`);
    throw unusable(`${what} ${path} cannot be looked at: ${systemCodeOf(error) ?? String(error)}`);
  }
}

/** Recovery ends with `rm -fr` on the staging folder, so nothing else may lie in it. */
async function requireRemovable(staging: string, plan: DestinationPlan): Promise<void> {
  const real = await realPathOf(staging);
  for (const path of [plan.destination, ...plan.tablespaces.map(({ location }) => location)]) {
    if (isWithin(await realPathOf(path), real)) {
      throw unusable(
        `${path} lies in the WAL staging folder ${staging}, which is removed when recovery ends`,
        'choose a folder of its own',
      );
    }
  }
}

/** Path without symbolic links, of a file that may not exist yet. */
async function realPathOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT' || dirname(path) === path) return path;
    return join(await realPathOf(dirname(path)), relative(dirname(path), path));
  }
}

function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith('../') && !isAbsolute(way));
}

async function isMissing(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return false;
  } catch {
    return true; // only the wording of a hint depends on it
  }
}

function unusable(message: string, hint?: string): OperatorError {
  return new OperatorError('destination-unusable', message, hint === undefined ? {} : { hint });
}
