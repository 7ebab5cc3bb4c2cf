import { readFileSync, statSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolderDurably, syncFolder, writeFileDurably } from '../../shared/durable-file.ts';
import { isMissing, namesIn, namesNowIn, unreadable } from '../../shared/look.ts';
import { messageOf, OperatorError } from '../../shared/operator-error.ts';
import { backupInfoPath, metaFolder, type ServerLayout } from '../server-layout.ts';
import { type Backup, type BackupId, byAge, parseBackupId } from './backup.ts';
import { backupFilesOf } from './backup-files.ts';
import { formatBackupInfo, RecordReader, requirePossible } from './backup-info.ts';
import { BackupRecordCache, isSameRecord, recordStateOf } from './backup-record-cache.ts';

/** A record that is there and cannot be used. */
export interface BrokenRecord {
  readonly id: BackupId;
  readonly reason: OperatorError;
}

/** Every record of a server, oldest first, as {@link byAge} has it. */
export interface BackupRecords {
  readonly backups: readonly Backup[];
  readonly broken: readonly BrokenRecord[];
}

const concurrentReads = 16;
/** Of a real one with thousands of tablespaces or included files it is a few megabytes. */
const largestRecord = 64 * 1024 * 1024;
/** Fewer records than these are read synchronously and without a cache: reading them in other threads takes longer. */
const many = 64;

/**
 * Reads all records: `meta/ID-backup.info`, and `base/ID/backup.info` where older releases left one alone (docs/reference/catalog.md section 5.1).
 * A record that cannot be read hides no other.
 * @throws OperatorError `file-unreadable` when a folder cannot be listed
 */
export async function readBackupRecords(layout: ServerLayout): Promise<BackupRecords> {
  const ids = idsOf(layout);
  const texts = ids.length < many ? ids.map((id) => readNow(layout, id)) : await readThroughCache(layout, ids);
  const reader = new RecordReader();
  const backups: Backup[] = [];
  const broken: BrokenRecord[] = [];
  for (const text of texts) {
    const reading = text === undefined || 'reason' in text ? text : parseOrBroken(text, reader);
    if (reading === undefined) continue;
    if ('reason' in reading) broken.push(reading);
    else backups.push(reading);
  }
  return { backups: byAge(backups), broken };
}

/** The greatest id that anything has: a record, read or not, or a folder of a backup. @throws OperatorError `file-unreadable` */
export function greatestBackupId(layout: ServerLayout): BackupId | undefined {
  return idsOf(layout).at(-1);
}

/** Every id that may have a record, ascending; reads names alone and writes nothing. */
export function idsOf(layout: ServerLayout): readonly BackupId[] {
  const inMeta = idsIn(metaFolder(layout), (name) => /^(.*)-backup\.info$/.exec(name)?.[1]);
  return [...new Set([...inMeta, ...idsIn(layout.base, (name) => name)])].toSorted();
}

/** Content of the file that a record was found in. */
interface RecordText {
  readonly id: BackupId;
  readonly path: string;
  readonly content: string;
}

type TextReading = RecordText | BrokenRecord | undefined;

/** One for each id, in their order. */
async function readAll(layout: ServerLayout, ids: readonly BackupId[]): Promise<readonly TextReading[]> {
  const readings: TextReading[] = [];
  for (let start = 0; start < ids.length; start += concurrentReads) {
    readings.push(...(await Promise.all(ids.slice(start, start + concurrentReads).map((id) => readOrBroken(layout, id)))));
  }
  return readings;
}

/** As {@link readAll}, but reads only the records that changed since the last time. */
async function readThroughCache(layout: ServerLayout, ids: readonly BackupId[]): Promise<readonly TextReading[]> {
  const cache = await BackupRecordCache.open(layout);
  const states = new Map(ids.map((id) => [id, recordStateOf(backupInfoPath(layout, id))] as const));
  const known = new Map<BackupId, TextReading>();
  for (const [id, state] of states) {
    const content = state === undefined ? undefined : cache.find(id, state);
    if (content !== undefined) known.set(id, { id, content, path: backupInfoPath(layout, id) });
  }
  const changed = ids.filter((id) => !known.has(id));
  const readings = await readAll(layout, changed);
  for (const [position, id] of changed.entries()) {
    const [reading, before, after] = [readings[position], states.get(id), recordStateOf(backupInfoPath(layout, id))];
    known.set(id, reading);
    const isWhole = before !== undefined && after !== undefined && isSameRecord(before, after);
    if (isWhole && reading !== undefined && 'content' in reading) cache.add(id, reading.content, before);
  }
  await cache.save();
  return ids.map((id) => known.get(id));
}

/**
 * As {@link readBackupRecords}, for work that must not go on when a record cannot be read, such as deleting WAL.
 * @throws OperatorError `backup-info-invalid` for the first broken record
 */
export async function readSoundRecords(layout: ServerLayout): Promise<readonly Backup[]> {
  return soundOf(await readBackupRecords(layout));
}

/**
 * Records for work that must not go on when one of them cannot be read.
 * @throws OperatorError `backup-info-invalid` for the first broken record
 */
export function soundOf({ backups, broken: [first] }: BackupRecords): readonly Backup[] {
  if (first !== undefined) throw first.reason;
  return backups;
}

/**
 * Reads one record.
 * @returns undefined when there is none
 * @throws OperatorError `backup-info-invalid` or `file-unreadable`
 */
export async function readBackupRecord(layout: ServerLayout, id: BackupId): Promise<Backup | undefined> {
  const text = await readText(layout, id);
  return text === undefined ? undefined : parse(text, new RecordReader());
}

/** The record as it stands, from where it is read; undefined when there is none. @throws OperatorError `file-unreadable` */
export async function readRecordText(layout: ServerLayout, id: BackupId): Promise<string | undefined> {
  return (await readText(layout, id))?.content;
}

/**
 * Writes a record durably: first where it is read from, then, when the backup has a folder, the copy that repmgr fetches
 * (docs/reference/repmgr-contract.md).
 */
export async function writeBackupRecord(layout: ServerLayout, backup: Backup): Promise<void> {
  const content = formatBackupInfo(backup);
  const files = backupFilesOf(layout, backup.id);
  await makeFolderDurably(metaFolder(layout));
  await writeFileDurably(backupInfoPath(layout, backup.id), content);
  if (await isFolder(files.folder)) await writeFileDurably(files.recordCopyPath, content);
}

/** Removes a record in both places, and what crashes left while it was written; the backup is no longer listed afterwards. */
export async function removeBackupRecord(layout: ServerLayout, id: BackupId): Promise<void> {
  await removeUnfinishedRecords(layout, id);
  await rm(backupFilesOf(layout, id).recordCopyPath, { force: true });
  await rm(backupInfoPath(layout, id), { force: true });
  await syncFolder(metaFolder(layout));
}

/** Removes what crashes left while a record of the backup, its copy, or a mark on it, was written. */
export async function removeUnfinishedRecords(layout: ServerLayout, id: BackupId): Promise<void> {
  await removeTemporaries(metaFolder(layout), `.${id}-`);
  await removeTemporaries(backupFilesOf(layout, id).folder, '.backup.info.');
}

async function removeTemporaries(folder: string, prefix: string): Promise<void> {
  const unfinished = (await namesIn(folder)).filter((name) => name.startsWith(prefix) && name.endsWith('.tmp'));
  for (const name of unfinished) await rm(join(folder, name), { force: true });
}

async function readText(layout: ServerLayout, id: BackupId): Promise<RecordText | undefined> {
  for (const path of recordPaths(layout, id)) {
    const content = await readIfThere(path);
    if (content !== undefined) return { id, path, content };
  }
  return undefined;
}

async function readOrBroken(layout: ServerLayout, id: BackupId): Promise<TextReading> {
  return await readText(layout, id).catch((error: unknown) => brokenBy(error, id));
}

function readNow(layout: ServerLayout, id: BackupId): TextReading {
  try {
    for (const path of recordPaths(layout, id)) {
      const content = readNowIfThere(path);
      if (content !== undefined) return { id, path, content };
    }
    return undefined;
  } catch (error) {
    return brokenBy(error, id);
  }
}

function parseOrBroken(text: RecordText, reader: RecordReader): Backup | BrokenRecord {
  try {
    return parse(text, reader);
  } catch (error) {
    return brokenBy(error, text.id);
  }
}

function parse({ id, path, content }: RecordText, reader: RecordReader): Backup {
  const backup = reader.read(content, id, path);
  requirePossible(backup, path);
  return backup;
}

/** Whatever is wrong with a record is wrong with that one alone. */
function brokenBy(error: unknown, id: BackupId): BrokenRecord {
  if (error instanceof OperatorError) return { id, reason: error };
  const message = `the record of backup ${id} cannot be read: ${messageOf(error)}`;
  return { id, reason: new OperatorError('backup-info-invalid', message, { cause: error }) };
}

function recordPaths(layout: ServerLayout, id: BackupId): readonly string[] {
  return [backupInfoPath(layout, id), backupFilesOf(layout, id).recordCopyPath];
}

function idsIn(folder: string, idOf: (name: string) => string | undefined): BackupId[] {
  const names = namesNowIn(folder);
  return names.map((name) => parseBackupId(idOf(name) ?? '')).filter((id) => id !== undefined);
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    refuseNoRecord(path);
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error instanceof OperatorError ? error : unreadable(path, error);
  }
}

function readNowIfThere(path: string): string | undefined {
  try {
    refuseNoRecord(path);
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error instanceof OperatorError ? error : unreadable(path, error);
  }
}

/** Opening a pipe would wait for ever, and a huge file would take all memory. @throws Error of the file system; OperatorError */
function refuseNoRecord(path: string): void {
  const found = statSync(path);
  if (found.isFile() && found.size <= largestRecord) return;
  const reason = found.isFile() ? `it has ${String(found.size)} bytes` : 'it is not a file';
  throw new OperatorError('file-unreadable', `${path} is not a backup record: ${reason}`, {
    hint: 'move it away: the backup is then no longer listed',
  });
}

async function isFolder(path: string): Promise<boolean> {
  try {
    await readdir(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw unreadable(path, error);
  }
}
