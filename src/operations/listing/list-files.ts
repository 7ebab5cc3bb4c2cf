import type { Dirent } from 'node:fs';
import { opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { backupFilesOf } from '../../catalog/backups/backup-files.ts';
import { neighboursOf } from '../../catalog/backups/find-backup.ts';
import { readLedger } from '../../catalog/index/read-ledger.ts';
import { walArchiveOf } from '../../catalog/wal/wal-archive.ts';
import type { Server } from '../../config/server.ts';
import { OperatorError, systemCodeOf } from '../../shared/operator-error.ts';
import { segmentsBetween } from '../../wal/wal-name.ts';
import { type ChosenBackup, findBackupOrFail } from '../backup/find-backup-or-fail.ts';

type FileTarget = 'standalone' | 'data' | 'wal' | 'full';

interface ListFilesOptions {
  readonly target: FileTarget;
  readonly listsEmptyFolders: boolean;
}

/**
 * Absolute paths of a backup's files (docs/reference/cli.md section 6.7). Targets with data begin with the record's copy, whose place repmgr reads
 * from the first line (docs/reference/repmgr-contract.md).
 */
export async function listFiles(
  server: Server,
  wanted: string,
  { target, listsEmptyFolders }: ListFilesOptions,
): Promise<string[]> {
  const chosen = await findBackupOrFail(server, wanted);
  switch (target) {
    case 'data':
      return await dataFiles(server, chosen, listsEmptyFolders);
    case 'standalone':
      return [...(await dataFiles(server, chosen, listsEmptyFolders)), ...requiredWals(server, chosen)];
    case 'wal':
      return await walFiles(server, chosen);
    case 'full':
      return [...(await dataFiles(server, chosen, listsEmptyFolders)), ...(await walFiles(server, chosen))];
  }
}

async function dataFiles(server: Server, { backup }: ChosenBackup, listsEmptyFolders: boolean): Promise<string[]> {
  const { folder, recordCopyPath: record } = backupFilesOf(server.layout, backup.id);
  const files: string[] = [];
  await walk(folder, listsEmptyFolders, files);
  const others = files.filter((path) => path !== record);
  return others.length === files.length ? others : [record, ...others];
}

/** Files of a folder first, sorted, without links to folders such as those in `pg_tblspc`, then what is below its folders, in the order in which the disk gives them: Barman's order. */
async function walk(folder: string, listsEmptyFolders: boolean, files: string[]): Promise<void> {
  const entries = await entriesIn(folder);
  if (entries.length === 0 && listsEmptyFolders) files.push(folder);
  const names = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
  const links = new Set(entries.filter((entry) => entry.isSymbolicLink()).map(({ name }) => name));
  for (const name of names.toSorted()) {
    if (!links.has(name) || !(await isFolder(join(folder, name)))) files.push(join(folder, name));
  }
  for (const entry of entries) if (entry.isDirectory()) await walk(join(folder, entry.name), listsEmptyFolders, files);
}

/** Behind a link; one that leads nowhere is a file. */
async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

async function entriesIn(folder: string): Promise<Dirent[]> {
  try {
    const entries: Dirent[] = [];
    for await (const entry of await opendir(folder)) entries.push(entry);
    return entries;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return [];
    throw new OperatorError('file-unreadable', `cannot read the folder ${folder}: ${systemCodeOf(error) ?? String(error)}`, {
      cause: error,
    });
  }
}

function requiredWals(server: Server, { backup }: ChosenBackup): string[] {
  if (backup.beginWal === null || backup.endWal === null) return [];
  const archive = walArchiveOf(server.layout);
  const names = segmentsBetween(backup.beginWal, backup.endWal, backup.xlogSegmentSize);
  return [...names].map((name) => archive.pathOf(name));
}

async function walFiles(server: Server, { backup, backups }: ChosenBackup): Promise<string[]> {
  const { beginWal } = backup;
  if (beginWal === null) return [];
  const until = neighboursOf(backups, backup).next?.endWal ?? undefined;
  const archive = walArchiveOf(server.layout);
  const ledger = await readLedger(server.layout);
  const entries = [...ledger.histories, ...ledger.segments(beginWal, until)];
  return entries.map(({ name }) => archive.pathOf(name)).toSorted();
}
