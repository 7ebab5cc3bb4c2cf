import { isAbsolute, join, relative, resolve } from 'node:path';
import type { Backup, Tablespace } from '../../catalog/backups/backup.ts';
import { type BackupFiles, backupFilesOf } from '../../catalog/backups/backup-files.ts';
import type { ServerLayout } from '../../catalog/server-layout.ts';
import { type Refuse, throwRefusal, unusable } from '../guards/refusals.ts';
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
 * @throws OperatorError `destination-unusable`, or hands each reason to `refuse`
 */
export function planDestination(
  layout: ServerLayout,
  { request, backup, isPitr }: DestinationWish,
  refuse: Refuse = throwRefusal,
): DestinationPlan {
  if (request.destination.includes(':')) {
    refuse(
      unusable(
        "the destination directory parameter cannot contain the ':' character",
        'name another host with --remote-ssh-command',
      ),
    );
  }
  const destination = resolve(request.destination);
  const files = backupFilesOf(layout, backup.id);
  const walFolderName = (backup.version ?? 0) >= 100_000 ? 'pg_wal' : 'pg_xlog';
  return {
    source: files.dataFolder,
    destination,
    tablespaces: planTablespaces(backup, { files, wanted: request.tablespaces, destination }, refuse),
    wal: planWalPlace({ request, isPitr, destination, walFolderName }),
    walFolderName,
  };
}

interface TablespaceWish {
  readonly files: BackupFiles;
  readonly wanted: RestoreRequest['tablespaces'];
  readonly destination: string;
}

function planTablespaces(
  backup: Backup,
  { files, wanted, destination }: TablespaceWish,
  refuse: Refuse,
): readonly TablespaceMove[] {
  const known = backup.tablespaces ?? [];
  const rules = rulesFor(known, wanted);
  for (const [name, location] of rules) {
    if (!known.some((tablespace) => tablespace.name === name)) {
      const names = known.map((tablespace) => tablespace.name).join(', ');
      refuse(
        unusable(
          `invalid tablespace name '${name}'`,
          names === '' ? `backup ${backup.id} has no tablespaces` : `use any of the following tablespaces: ${names}`,
          names === ''
            ? undefined
            : [`Invalid tablespace name '${name}'`, `HINT: Please use any of the following tablespaces: ${names}`],
        ),
      );
    }
    if (!isAbsolute(location)) refuse(unusable(`the location of tablespace ${name} is not an absolute path: ${location}`));
  }
  const moves = known.map(({ oid, name, location }) => {
    const wanted = rules.get(name);
    if (wanted === undefined && !isAbsolute(location))
      refuse(unusable(`the record gives ${location} as the location of tablespace ${name}, which is not an absolute path`));
    return { oid, name, source: files.tablespaceFolder(oid), location: resolve(wanted ?? location) };
  });
  for (const [index, { name, location }] of moves.entries()) {
    const other = moves.slice(0, index).find((move) => isWithin(move.location, location) || isWithin(location, move.location));
    if (other !== undefined) refuse(unusable(`tablespaces ${other.name} and ${name} would share the folder ${location}`));
    if (isWithin(destination, location))
      refuse(unusable(`the destination lies in the location of tablespace ${name}: ${location}`));
  }
  return moves;
}

/** Locations by name. A name may hold a colon, so that only the names that there are tell where it ends: the longest one counts. */
function rulesFor(known: readonly Tablespace[], wanted: RestoreRequest['tablespaces']): ReadonlyMap<string, string> {
  const names = known.map(({ name }) => name).toSorted((a, b) => b.length - a.length);
  return new Map(
    Object.entries(wanted).map(([word, location]): [string, string] => {
      const rule = `${word}:${location}`;
      const name = names.find((one) => rule.startsWith(`${one}:`)) ?? word;
      return [name, rule.slice(name.length + 1)];
    }),
  );
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

/** Whether a path is a folder or lies in it, by names alone. */
export function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith('../') && !isAbsolute(way));
}
