import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Backup, backupTypeOf } from '../../catalog/backups/backup.ts';
import { parseBackupInfo } from '../../catalog/backups/backup-info.ts';
import type { Identity } from '../../catalog/identity.ts';
import { readLedger } from '../../catalog/index/read-ledger.ts';
import { parseWalEntry, type WalEntry } from '../../catalog/index/wal-entry.ts';
import { walArchiveOf } from '../../catalog/wal/wal-archive.ts';
import type { Server } from '../../config/server.ts';
import { pathExists } from '../../shared/look.ts';
import { messageOf, OperatorError } from '../../shared/operator-error.ts';
import { hashFolderOf, type SegmentName } from '../../wal/wal-name.ts';
import type { ExportName } from './export-name.ts';
import { haveSameBytes } from './have-same-bytes.ts';
import { neededSegments } from './needed-segments.ts';

/** An exported backup that was unpacked and fits the server: everything that can be refused has been. */
export interface ImportPlan {
  readonly backup: Backup;
  /** Version of PostgreSQL in the tarball, when it is another than here. */
  readonly otherVersion: string | undefined;
  /** Segments that the archive does not have yet, in order. */
  readonly newWals: readonly WalEntry[];
  /** Files of the archive that the index does not know, with the bytes of the tarball: only their lines are new. */
  readonly unlistedWals: readonly WalEntry[];
}

interface Tarball {
  readonly staging: string;
  readonly name: ExportName;
  readonly identity: Identity;
}

/**
 * Reads what was unpacked and compares it with the server (docs/reference/since-3.17.md section 2.3).
 * @throws OperatorError `export-invalid` or `backup-refused` when it is not whole, or not for this server
 */
export async function planImport(server: Server, { staging, name, identity }: Tarball): Promise<ImportPlan> {
  await requireLayout(staging);
  const theirs = await readTheirIdentity(staging);
  if (theirs !== undefined && theirs.systemid !== identity.systemid) {
    throw refused(`it is of another cluster (system identifier ${theirs.systemid}, this server has ${identity.systemid})`);
  }
  const backup = await readRecord(staging, name);
  if (backup.parentBackupId !== null || backupTypeOf(backup) === 'incremental') throw refused('it is incremental');
  if (backup.status !== 'DONE') throw refused(`its status is ${backup.status}`);
  if (backup.systemid !== null && backup.systemid !== identity.systemid) {
    throw refused(`its record names another cluster (system identifier ${backup.systemid})`);
  }
  const entries = await readWals(staging, neededSegments(backup));
  return {
    backup: { ...backup, serverName: server.config.name, childrenBackupIds: null },
    otherVersion: theirs !== undefined && theirs.version !== identity.version ? theirs.version : undefined,
    ...(await compareWithArchive(server, staging, entries)),
  };
}

/** Where a segment lies in the staging folder. */
export function stagedWalPath(staging: string, name: SegmentName | WalEntry['name']): string {
  return join(staging, 'wals', hashFolderOf(name), name);
}

async function requireLayout(staging: string): Promise<void> {
  for (const folder of ['backup', 'wals']) {
    if (!(await isKind(join(staging, folder), 'folder'))) throw invalid(`it has no folder ${folder}`);
  }
  for (const file of ['backup.info', 'xlog.db', 'identity.json']) {
    if (!(await isKind(join(staging, file), 'file'))) throw invalid(`it has no file ${file}`);
  }
}

async function isKind(path: string, kind: 'file' | 'folder'): Promise<boolean> {
  if (!(await pathExists(path))) return false;
  const found = await stat(path);
  return kind === 'file' ? found.isFile() : found.isDirectory();
}

async function readTheirIdentity(staging: string): Promise<Identity | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(join(staging, 'identity.json'), 'utf8'));
    if (typeof value === 'object' && value !== null && 'systemid' in value && 'version' in value) {
      return { systemid: String(value.systemid), version: String(value.version) };
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw invalid('its identity.json does not hold {"systemid": …, "version": …}');
}

async function readRecord(staging: string, { backupId }: ExportName): Promise<Backup> {
  try {
    return parseBackupInfo(await readFile(join(staging, 'backup.info'), 'utf8'), backupId, 'backup.info');
  } catch (error) {
    throw error instanceof OperatorError ? invalid(`its record is damaged (${messageOf(error)})`) : error;
  }
}

/** The needed segments of its index, each with its file. */
async function readWals(staging: string, segments: readonly SegmentName[]): Promise<readonly WalEntry[]> {
  const listed = new Map<string, WalEntry>();
  for (const line of (await readFile(join(staging, 'xlog.db'), 'latin1')).split('\n')) {
    if (line === '') continue;
    const entry = parseWalEntry(line);
    if (entry === undefined) throw invalid(`its xlog.db has an invalid line: ${JSON.stringify(line.slice(0, 80))}`);
    listed.set(entry.name, entry);
  }
  const entries: WalEntry[] = [];
  for (const name of segments) {
    const entry = listed.get(name);
    if (entry === undefined) throw invalid(`its xlog.db does not list the WAL segment ${name}, which the backup needs`);
    const path = stagedWalPath(staging, name);
    if (!(await isKind(path, 'file'))) throw invalid(`the WAL segment ${name}, which the backup needs, is missing`);
    if ((await stat(path)).size !== entry.size) throw invalid(`the WAL segment ${name} is not as long as its xlog.db says`);
    entries.push(entry);
  }
  return entries;
}

async function compareWithArchive(
  server: Server,
  staging: string,
  entries: readonly WalEntry[],
): Promise<Pick<ImportPlan, 'newWals' | 'unlistedWals'>> {
  const known = await knownEntries(server, new Set(entries.map(({ name }) => name)));
  const archive = walArchiveOf(server.layout);
  const [newWals, unlistedWals, conflicts]: [WalEntry[], WalEntry[], string[]] = [[], [], []];
  for (const entry of entries) {
    const here = known.get(entry.name);
    const isThere = await archive.has(entry.name);
    if (here === undefined && !isThere) newWals.push(entry);
    else if (!isThere || (here !== undefined && !describeSameFile(here, entry))) conflicts.push(entry.name);
    else if (!(await haveSameBytes(archive.pathOf(entry.name), stagedWalPath(staging, entry.name)))) conflicts.push(entry.name);
    else if (here === undefined) unlistedWals.push(entry);
  }
  if (conflicts.length === 0) return { newWals, unlistedWals };
  const more = conflicts.length > 5 ? ` and ${String(conflicts.length - 5)} more` : '';
  throw refused(`the archive has other WAL under the same names: ${conflicts.slice(0, 5).join(', ')}${more}`);
}

async function knownEntries({ layout }: Server, wanted: ReadonlySet<WalEntry['name']>): Promise<ReadonlyMap<string, WalEntry>> {
  const ledger = await readLedger(layout);
  const found = [...wanted].map((name) => ledger.entryOf(name));
  return new Map(found.filter((entry) => entry !== undefined).map((entry) => [entry.name, entry]));
}

/** The compression is not compared: its name depends on who wrote the line. */
function describeSameFile(a: WalEntry, b: WalEntry): boolean {
  return a.size === b.size && a.encryption === b.encryption && Math.abs(a.time - b.time) < 1e-3;
}

function refused(reason: string): OperatorError {
  return new OperatorError('backup-refused', `the backup cannot be imported: ${reason}`, { hint: 'nothing was imported' });
}

function invalid(reason: string): OperatorError {
  return new OperatorError('export-invalid', `the file is not a backup that can be imported: ${reason}`, {
    hint: 'nothing was imported; export the backup again',
  });
}
