import { type Backup, type BackupId, isCopyDone } from '../../catalog/backups/backup.ts';
import { type BackupFiles, backupFilesOf } from '../../catalog/backups/backup-files.ts';
import type { ServerLayout } from '../../catalog/server-layout.ts';
import { OperatorError } from '../../shared/operator-error.ts';

/** One backup of a chain as it lies in the catalog. */
export interface SourceMember {
  readonly backup: Backup;
  readonly files: BackupFiles;
  readonly form: 'plain' | 'tar';
  readonly isEncrypted: boolean;
}

/** The backups that have to be read to restore one: itself, and for an incremental one all that it builds on, the full backup first. */
export interface BackupSource {
  readonly members: readonly SourceMember[];
  /** The backup that was asked for: the last member. */
  readonly leaf: SourceMember;
}

/**
 * Finds the members of a backup's chain.
 * @param backups every backup of the server
 * @throws OperatorError `backup-not-usable` when one is missing or has failed
 */
export function sourceOf(backup: Backup, backups: readonly Backup[], layout: ServerLayout): BackupSource {
  const byId = new Map(backups.map((one) => [one.id, one]));
  const chain: Backup[] = [backup];
  for (let id = backup.parentBackupId; id !== null; id = chain[0]?.parentBackupId ?? null) {
    chain.unshift(requireParent(id, chain, byId));
  }
  const members = chain.map((one) => memberOf(one, layout));
  return { members, leaf: memberOf(backup, layout) };
}

/** Folder of a member's data directory, or of its tar files. */
export function dataFolder({ files }: SourceMember): string {
  return files.dataFolder;
}

/** Folder of a tablespace of a plain member. */
export function tablespaceFolder({ files }: SourceMember, oid: number): string {
  return files.tablespaceFolder(oid);
}

function memberOf(backup: Backup, layout: ServerLayout): SourceMember {
  return {
    backup,
    files: backupFilesOf(layout, backup.id),
    form: backup.compression === null ? 'plain' : 'tar',
    isEncrypted: backup.encryption !== null,
  };
}

function requireParent(id: BackupId, chain: readonly Backup[], byId: ReadonlyMap<BackupId, Backup>): Backup {
  const [child] = chain;
  const parent = byId.get(id);
  const unusable = (reason: string): OperatorError =>
    new OperatorError('backup-not-usable', `backup ${child?.id ?? ''} builds on backup ${id}, which ${reason}`, {
      hint: 'restore from another backup: an incremental backup needs every backup that it is built on',
    });
  if (parent === undefined) throw unusable('is not in the catalog');
  if (chain.includes(parent)) throw unusable('builds on it in turn');
  if (!isCopyDone(parent)) throw unusable(`has the status ${parent.status}`);
  return parent;
}

/** Of the tablespaces that it has. */
export function tablespaceOids({ backup }: SourceMember): readonly number[] {
  return (backup.tablespaces ?? []).map(({ oid }) => oid);
}
