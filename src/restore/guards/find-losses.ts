import { lstatSync, type Stats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { measureBackup } from '../../catalog/backups/backup-files.ts';
import { forEachBriefly } from '../../shared/for-each-briefly.ts';
import { entriesIn, isMissing } from '../../shared/look.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { dataFolder, type SourceMember, tablespaceFolder, tablespaceOids } from '../content/backup-source.ts';
import { type ManifestFile, manifestFiles, manifestState } from '../content/read-manifest.ts';
import { controlFile, emptiedFolders, isOfTablespace, leftOutFiles } from '../content/restored-files.ts';
import type { Allowance } from './refusals.ts';

/** The losses of a backup since it was taken. */
export interface Loss {
  readonly error: OperatorError;
  /** Losses with which an operator may restore nevertheless; never the label. */
  readonly allowance: Allowance | undefined;
  /** Nothing is known to be lost, but nobody can say: it is told only. */
  readonly isDoubt?: true;
}

/** Where the files of a backup lie that a manifest names. */
export interface ManifestPlaces {
  readonly data: string;
  /** By oid. */
  readonly tablespaces: ReadonlyMap<number, string>;
}

/** Since this version `pg_basebackup` writes a manifest. */
const manifestsSince = 130_000;
/** Since this version the folders have their names of today. */
const foldersSince = 100_000;
const filesPerBatch = 1000;
const shownFiles = 3;

/**
 * Compares what lies in the catalog with what is known of a backup, by names and sizes: its manifest, or where there is none the size in its record. Nothing is
 * read but the manifest.
 */
export async function findLosses(member: SourceMember): Promise<readonly Loss[]> {
  return [...(await lossesOf(member)), ...(await doubtsOf(member)), ...(await strangersOf(member))];
}

async function lossesOf(member: SourceMember): Promise<readonly Loss[]> {
  if (member.form === 'tar') return await lossesBySize(member);
  const losses = await lossesByManifest(member);
  if (losses === undefined) return [...(await lossesOfLabel(member)), ...(await lossesBySize(member))];
  return [...(await lossesOfLabel(member)), ...losses, ...lossesOfFolders(member)];
}

/** The entries of a tablespace that are not PostgreSQL's: a restore leaves them out. */
async function strangersOf(member: SourceMember): Promise<readonly Loss[]> {
  if (member.form === 'tar') return [];
  const found: string[] = [];
  for (const oid of tablespaceOids(member)) {
    const folder = tablespaceFolder(member, oid);
    for (const { name } of await entriesIn(folder)) if (!isOfTablespace(name)) found.push(`${String(oid)}/${name}`);
  }
  if (found.length === 0) return [];
  const names = `${found.slice(0, shownFiles).join(', ')}${found.length > shownFiles ? ', …' : ''}`;
  const reason = `not restored, because it lies in a tablespace of backup ${member.backup.id} and is not PostgreSQL's: ${names}`;
  return [{ error: new OperatorError('backup-not-usable', reason), allowance: undefined, isDoubt: true }];
}

/** The loss of the label: PostgreSQL would begin at the last checkpoint that the control file knows, and end with a corrupt cluster. */
export function labelLoss({ backup }: SourceMember): Loss {
  const error = new OperatorError(
    'backup-not-usable',
    `backup ${backup.id} is not complete: backup_label is missing, without which PostgreSQL begins recovery at a wrong position, and the cluster becomes corrupt`,
    { hint: 'restore from another backup' },
  );
  // an exclusive backup leaves it to the operator whether the server was stopped meanwhile
  return { error, allowance: backup.mode?.endsWith('-exclusive') === true ? 'incomplete-backup' : undefined };
}

/**
 * The differences from a manifest, in words, the first ones by their names; undefined when there are none, or no manifest.
 * @param isExpected leaves out what is not looked for
 */
export async function differencesFrom(
  member: SourceMember,
  places: ManifestPlaces,
  isExpected: (path: string) => boolean = () => true,
): Promise<{ readonly isKnown: boolean; readonly text: string | undefined }> {
  const found: string[] = [];
  let count = 0;
  let isKnown = false;
  const compare = ({ path, size }: ManifestFile): void => {
    const name = path.toString('utf8');
    if (isLeftOut(name) || !isExpected(name)) return;
    const difference = differenceOf(name, size, statsOf(places, path));
    if (difference === undefined) return;
    if (count++ < shownFiles) found.push(difference);
  };
  let batch: ManifestFile[] = [];
  for await (const file of manifestFiles(member)) {
    isKnown = true;
    batch.push(file);
    if (batch.length < filesPerBatch) continue;
    await forEachBriefly(batch, compare);
    batch = [];
  }
  await forEachBriefly(batch, compare);
  const more = count > shownFiles ? `, and ${String(count - shownFiles)} more` : '';
  return { isKnown, text: count === 0 ? undefined : `${found.join(', ')}${more}` };
}

/** The loss of files of a backup. @param what in words */
export function incomplete({ backup }: SourceMember, what: string): Loss {
  const error = new OperatorError('backup-not-usable', `backup ${backup.id} is not complete: ${what}`, {
    hint: 'restore from another backup',
  });
  return { error, allowance: 'incomplete-backup' };
}

/** Undefined when there is no manifest. */
async function lossesByManifest(member: SourceMember): Promise<readonly Loss[] | undefined> {
  const tablespaces = new Map(tablespaceOids(member).map((oid) => [oid, tablespaceFolder(member, oid)]));
  const places = { data: dataFolder(member), tablespaces };
  const { isKnown, text } = await differencesFrom(member, places, (name) => name !== 'backup_label');
  if (!isKnown) return undefined;
  return text === undefined ? [] : [incomplete(member, text)];
}

/** A manifest that should be there, and is not or not to its end: what it would have named cannot be missed. */
async function doubtsOf(member: SourceMember): Promise<readonly Loss[]> {
  const { id, mode, version } = member.backup;
  if (mode !== 'postgres' || (version ?? 0) < manifestsSince) return [];
  const state = await manifestState(member);
  if (state === 'whole') return [];
  const what = `the backup_manifest of backup ${id} is ${state}, so it is not known whether all of its files are there`;
  return [{ error: new OperatorError('backup-not-usable', what), allowance: undefined, isDoubt: true }];
}

/** Folders that every data folder has, and that may be empty: what copies or packs a catalog without them leaves a server that does not start. */
const folders = [
  ...[
    'base',
    'global',
    'pg_commit_ts',
    'pg_dynshmem',
    'pg_logical',
    'pg_logical/mappings',
    'pg_logical/snapshots',
    'pg_multixact',
  ],
  ...['pg_multixact/members', 'pg_multixact/offsets', 'pg_notify', 'pg_replslot', 'pg_serial', 'pg_snapshots', 'pg_stat'],
  ...['pg_subtrans', 'pg_tblspc', 'pg_twophase', 'pg_xact'],
];

/** Of a backup with a control file, which no data folder is without. */
function lossesOfFolders(member: SourceMember): readonly Loss[] {
  const data = dataFolder(member);
  const isThere = (name: string): boolean => lstatSync(join(data, name), { throwIfNoEntry: false }) !== undefined;
  if (!isThere(controlFile) || member.backup.version === null || member.backup.version < foldersSince) return [];
  const missing = folders.filter((name) => !isThere(name));
  if (missing.length === 0) return [];
  const error = new OperatorError(
    'backup-not-usable',
    `backup ${member.backup.id} is not complete: folders are missing without which PostgreSQL does not start: ${missing.join(', ')}`,
    { hint: `they may have been empty: make them with mkdir in ${data}, or restore from another backup` },
  );
  return [{ error, allowance: 'incomplete-backup' }];
}

async function lossesOfLabel(member: SourceMember): Promise<readonly Loss[]> {
  try {
    const { size } = await lstat(join(dataFolder(member), 'backup_label'));
    return size > 0 ? [] : [labelLoss(member)];
  } catch (error) {
    if (!isMissing(error)) throw error;
    return [labelLoss(member)];
  }
}

/** Without a manifest, and for packed files, only their total size is known. */
async function lossesBySize(member: SourceMember): Promise<readonly Loss[]> {
  const { backup, files } = member;
  if (backup.size === null || !(await isMeasured(member, backup.size))) return [];
  const { size, links } = await measureBackup(files.folder);
  if (links > 0 || size >= backup.size) return []; // the target of a link may have been counted
  return [incomplete(member, `its files have ${String(size)} bytes in all, its record says ${String(backup.size)}`)];
}

/** Whether the size in a record is that of the files as they lie there, and not of what was packed afterwards by other means. */
async function isMeasured(member: SourceMember, size: number): Promise<boolean> {
  const { mode, version, compression } = member.backup;
  if (compression === null) return mode?.startsWith('rsync') === true || (version ?? 0) < manifestsSince;
  if ((version ?? 0) < manifestsSince || compression === 'none') return true;
  let plainBytes = 0;
  for await (const file of manifestFiles(member)) plainBytes += file.size;
  return size < plainBytes;
}

function differenceOf(name: string, size: number, stats: Stats | undefined): string | undefined {
  if (stats === undefined) return `${name} is missing`;
  // configuration that somebody has edited is no loss, and a link is its own matter
  if (stats.size === size || !stats.isFile() || (name.endsWith('.conf') && stats.size > 0)) return undefined;
  return `${name} has ${String(stats.size)} bytes instead of ${String(size)}`;
}

function statsOf({ data, tablespaces }: ManifestPlaces, path: Buffer): Stats | undefined {
  const [, oid = '', rest = ''] = /^pg_tblspc\/(\d+)\/(.*)$/s.exec(path.toString('latin1')) ?? [];
  const location = tablespaces.get(Number(oid));
  const whole =
    oid === '' || location === undefined
      ? Buffer.concat([Buffer.from(`${data}/`), path])
      : Buffer.concat([Buffer.from(`${location}/`), Buffer.from(rest, 'latin1')]);
  return lstatSync(whole, { throwIfNoEntry: false });
}

/** Content of folders that a restore empties, and files that it leaves out. */
function isLeftOut(name: string): boolean {
  const [first = ''] = name.split('/');
  return leftOutFiles.has(name) || (emptiedFolders.has(first) && name !== first);
}
