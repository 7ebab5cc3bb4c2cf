import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoringServer } from '../encryption/stored-wal.ts';
import { writeFileDurably } from '../shared/durable-file.ts';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import type { ServerLayout } from './server-layout.ts';

/** Which cluster the catalog belongs to (docs/reference/catalog.md section 14.1). */
export interface Identity {
  readonly systemid: string;
  /** Major version of PostgreSQL. */
  readonly version: string;
}

/**
 * The stored identity; undefined before the first backup.
 * @throws OperatorError `file-unreadable` when the file holds something else
 */
export async function readIdentity(layout: ServerLayout): Promise<Identity | undefined> {
  const path = identityPath(layout);
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (isIdentity(value)) return value;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined;
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new OperatorError('file-unreadable', `${path} does not hold {"systemid": …, "version": …}`, {
    hint: 'move it away if you are sure that the catalog and the server belong together: the next backup writes it again',
  });
}

/** The cluster that a catalog belongs to. */
export interface KnownCluster {
  readonly systemid: string;
  /** The source of the statement: a path, a backup or a WAL segment. */
  readonly source: string;
}

/** The stored identity; undefined also where it is broken, which `check` reports. */
async function readStoredCluster(layout: ServerLayout): Promise<KnownCluster | undefined> {
  try {
    const stored = await readIdentity(layout);
    return stored === undefined ? undefined : { systemid: stored.systemid, source: identityPath(layout) };
  } catch (error) {
    if (error instanceof OperatorError) return undefined;
    throw error;
  }
}

/** Stores the identity unless there is one. */
export async function writeIdentityOnce(layout: ServerLayout, { systemid, version }: Identity): Promise<void> {
  if ((await readIdentity(layout)) !== undefined) return;
  await writeFileDurably(identityPath(layout), `${JSON.stringify({ systemid, version }, null, 4)}\n`);
}

function identityPath(layout: ServerLayout): string {
  return join(layout.root, 'identity.json');
}

function isIdentity(value: unknown): value is Identity {
  if (typeof value !== 'object' || value === null) return false;
  return 'systemid' in value && typeof value.systemid === 'string' && 'version' in value && typeof value.version === 'string';
}

/**
 * Which cluster the catalog belongs to: what `identity.json` says; where that is missing or broken, the newest backup that is DONE; else
 * the newest archived segment that can be read without a secret. Undefined for a catalog that holds nothing yet.
 */
export async function readKnownCluster(
  server: StoringServer & { readonly layout: ServerLayout },
): Promise<KnownCluster | undefined> {
  const { layout } = server;
  const stored = await readStoredCluster(layout);
  if (stored !== undefined) return stored;
  const { readBackupRecords } = await import('./backups/backup-records.ts'); // mostly the one small file says it
  const { backups } = await readBackupRecords(layout);
  const backup = backups.findLast(({ status, systemid }) => status === 'DONE' && systemid !== null);
  if (backup?.systemid !== undefined && backup.systemid !== null)
    return { systemid: backup.systemid, source: `backup ${backup.id}` };
  return await clusterOfArchive(server);
}

async function clusterOfArchive(server: Parameters<typeof readKnownCluster>[0]): Promise<KnownCluster | undefined> {
  const [{ walArchiveOf }, { readFirstPage }, { storageOf }] = await Promise.all([
    import('./wal/wal-archive.ts'),
    import('./wal/segment-content.ts'),
    import('../encryption/stored-wal.ts'),
  ]);
  const archive = walArchiveOf(server.layout);
  const newest = await archive.newestSegment();
  const page = newest === undefined ? undefined : await readFirstPage(archive.pathOf(newest), storageOf(server));
  return newest === undefined || page === undefined
    ? undefined
    : { systemid: String(page.systemid), source: `the archived segment ${newest}` };
}
