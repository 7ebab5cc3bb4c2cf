import { mkdir, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { markKept, readAnnotations } from '../../catalog/backups/annotations.ts';
import { type BackupId, parseBackupId } from '../../catalog/backups/backup.ts';
import { backupFilesOf, backupStagings } from '../../catalog/backups/backup-files.ts';
import {
  readBackupRecord,
  removeBackupRecord,
  removeUnfinishedRecords,
  writeBackupRecord,
} from '../../catalog/backups/backup-records.ts';
import type { WalEntry } from '../../catalog/index/wal-entry.ts';
import { enterWals, WalIndex } from '../../catalog/index/wal-index.ts';
import { backupInfoPath } from '../../catalog/server-layout.ts';
import { walArchiveOf } from '../../catalog/wal/wal-archive.ts';
import type { Server } from '../../config/server.ts';
import type { Context } from '../../shared/context.ts';
import { syncFolder, writeFileDurably } from '../../shared/durable-file.ts';
import { pathExists } from '../../shared/look.ts';
import { messageOf, OperatorError } from '../../shared/operator-error.ts';
import { parseWalName, type WalName } from '../../wal/wal-name.ts';
import { type ImportPlan, stagedWalPath } from './import-facts.ts';

/** In a staging folder whose content is being moved: what the next run undoes when we are killed. */
const marker = 'import.json';

interface Staged {
  readonly staging: string;
  readonly plan: ImportPlan;
  /** Links to make below `data/pg_tblspc`. */
  readonly tablespaceLinks: readonly string[];
}

/**
 * Takes an unpacked backup into the catalog: its files, its WAL, its record, its keep (docs/reference/since-3.17.md section 2.3). What fails half-way is
 * undone; of a kill, {@link recoverImports} takes care. The caller holds the locks of backup, backup id and archive-wal.
 */
export async function applyImport(server: Server, { staging, plan, tablespaceLinks }: Staged, context: Context): Promise<void> {
  const { layout } = server;
  const { backup, newWals, unlistedWals } = plan;
  const files = backupFilesOf(layout, backup.id);
  const { folder } = files;
  if (await files.exists()) {
    throw new OperatorError('backup-refused', `${folder} is there already, although no record knows it`, {
      hint: 'examine it, and move it away',
    });
  }
  await makeTablespaceLinks(join(staging, 'backup'), { plan, folder, tablespaceLinks });
  await writeFileDurably(join(staging, marker), JSON.stringify({ id: backup.id, wals: newWals.map(({ name }) => name) }));
  try {
    await files.adopt(join(staging, 'backup'));
    const entering = newWals.map((entry) => ({ from: stagedWalPath(staging, entry.name), entry }));
    await enterWals(
      layout,
      entering,
      [...newWals, ...unlistedWals].toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    );
    await writeBackupRecord(layout, backup);
  } catch (error) {
    await undo(server, backup.id, newWals);
    throw error;
  }
  try {
    await markKept(layout, backup.id, 'standalone');
  } catch (error) {
    context.messages.warning(`backup ${backup.id} could not be kept (${messageOf(error)}): retention may delete it`);
  }
}

/**
 * Undoes imports that were killed half-way, and removes what they had unpacked. An import whose record was written is complete; it only may
 * lack its keep. The caller holds the lock of backups.
 */
export async function recoverImports(server: Server, { log }: Pick<Context, 'log'>): Promise<void> {
  const { layout } = server;
  for (const staging of await backupStagings(layout)) {
    const begun = await readMarker(join(staging, marker));
    log.warning(`an import into server ${server.config.name} was killed: ${staging} is removed`);
    if (begun !== undefined) await recover(server, begun, { isMoved: !(await pathExists(join(staging, 'backup'))) });
    await rm(staging, { recursive: true, force: true });
  }
}

interface Begun {
  readonly id: BackupId;
  readonly wals: readonly WalName[];
}

async function recover(server: Server, { id, wals }: Begun, { isMoved }: { readonly isMoved: boolean }): Promise<void> {
  const { layout } = server;
  await removeUnfinishedRecords(layout, id);
  const backup = await readBackupRecord(layout, id);
  if (backup !== undefined) {
    await writeBackupRecord(layout, backup); // its copy beside the files may be missing
    const { keeps } = await readAnnotations(layout, [id]);
    if (!keeps.has(id)) await markKept(layout, id, 'standalone');
    return;
  }
  if (isMoved) await backupFilesOf(layout, id).remove();
  // a listed file stays: the archiver may meanwhile have dropped the same segment as known already
  await using index = await WalIndex.open(layout);
  const ledger = await index.ledger();
  const unlisted = wals.filter((name) => !ledger.has(name)).map((name) => ({ name }));
  await walArchiveOf(layout).remove(unlisted);
}

async function readMarker(path: string): Promise<Begun | undefined> {
  if (!(await pathExists(path))) return undefined;
  const value: unknown = JSON.parse(await readFile(path, 'utf8')); // ours, written as a whole
  if (typeof value !== 'object' || value === null || !('id' in value) || !('wals' in value)) return undefined;
  const id = parseBackupId(String(value.id));
  const names = Array.isArray(value.wals) ? value.wals.map((name) => parseWalName(String(name))) : [];
  return id === undefined ? undefined : { id, wals: names.filter((name) => name !== undefined) };
}

/** Nobody can have looked: the archiver waits for our lock, and no record named the backup. Of the WAL the archive had none before. */
async function undo(server: Server, id: BackupId, newWals: readonly WalEntry[]): Promise<void> {
  const { layout } = server;
  const isRecorded = await pathExists(backupInfoPath(layout, id));
  if (isRecorded) await removeBackupRecord(layout, id);
  await walArchiveOf(layout).remove(newWals);
  {
    await using index = await WalIndex.open(layout);
    await index.remove(new Set(newWals.map(({ name }) => name)));
  }
  await backupFilesOf(layout, id).remove();
}

interface Links {
  readonly plan: ImportPlan;
  /** Where the backup will be. */
  readonly folder: string;
  readonly tablespaceLinks: readonly string[];
}

/** As pg_basebackup leaves them in a catalog: to the folder of the tablespace beside `data`; only for those that the record knows. */
async function makeTablespaceLinks(unpacked: string, { plan, folder, tablespaceLinks }: Links): Promise<void> {
  const known = new Set((plan.backup.tablespaces ?? []).map(({ oid }) => String(oid)));
  const wanted = tablespaceLinks.filter((name) => known.has(name));
  if (wanted.length === 0) return;
  const place = join(unpacked, 'data', 'pg_tblspc');
  await mkdir(place, { recursive: true });
  for (const oid of wanted) await symlink(join(folder, oid), join(place, oid));
  await syncFolder(place);
}
