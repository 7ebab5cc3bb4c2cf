import { join } from 'node:path';
import type { BackupId } from './backups/backup.ts';

/** Where one server's things lie (docs/reference/catalog.md section 1.2); every folder can be moved by configuration, so nobody joins these by hand. */
export interface ServerLayout {
  readonly serverName: string;
  /** `backup_directory`: the server's root. */
  readonly root: string;
  /** `basebackups_directory`. */
  readonly base: string;
  /** `wals_directory`. */
  readonly wals: string;
  /** `xlogdb_directory`. */
  readonly xlogdb: string;
  /** `incoming_wals_directory`. */
  readonly incoming: string;
  /** `streaming_wals_directory`. */
  readonly streaming: string;
  /** `errors_directory`. */
  readonly errors: string;
  /** `barman_lock_directory`. */
  readonly locks: string;
}

/** Every folder that holds something of the server: nothing of anybody else belongs there. */
export function catalogFolders({ root, base, wals, xlogdb, incoming, streaming, errors }: ServerLayout): readonly string[] {
  return [root, base, wals, xlogdb, incoming, streaming, errors];
}

/** Where WAL arrives: `streaming` is written by the WAL receiver, `file` by archive_command and put-wal. */
export type ArrivalChannel = 'streaming' | 'file';

/** Folder that a channel writes into. */
export function arrivalFolder(layout: ServerLayout, channel: ArrivalChannel): string {
  return channel === 'streaming' ? layout.streaming : layout.incoming;
}

/** Folder of records and annotations; not configurable. */
export function metaFolder(layout: ServerLayout): string {
  return join(layout.root, 'meta');
}

/** The record of a backup where it is written today. */
export function backupInfoPath(layout: ServerLayout, id: BackupId): string {
  return join(metaFolder(layout), `${id}-backup.info`);
}

/** The WAL index. */
export function xlogdbPath(layout: ServerLayout): string {
  return join(layout.xlogdb, `${layout.serverName}-xlog.db`);
}

/** Lock files of one server (docs/reference/catalog.md section 12). */
export type ServerLockName = 'cron' | 'backup' | 'archive-wal' | 'receive-wal' | 'xlogdb' | 'sync-wal' | 'schedule';

/** Path of one of the server's lock files. */
export function serverLockPath(layout: ServerLayout, lock: ServerLockName): string {
  return join(layout.locks, `.${layout.serverName}-${lock}.lock`);
}

/** Path of the lock of one backup. */
export function backupLockPath(layout: ServerLayout, id: BackupId): string {
  return join(layout.locks, `.${layout.serverName}-${id}.lock`);
}
