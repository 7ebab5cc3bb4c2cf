/** Put in place last of all: PostgreSQL does not start without it, so what a crash leaves can never be taken for a finished restore. */
export const controlFile = 'global/pg_control';

/** Content of these folders belongs to the server that was backed up (docs/reference/engine.md section 12.5). */
export const emptiedFolders: ReadonlySet<string> = new Set(['pg_log', 'log', 'pg_xlog', 'pg_wal']);

/** Names of the folder for WAL, of any version. */
export const walFolders: ReadonlySet<string> = new Set(['pg_wal', 'pg_xlog']);

/**
 * Files that would start the restored server in another way than requested: Barman's three, and the signal files, which replaced
 * `recovery.conf` in PostgreSQL 12 and come with the backup of a standby.
 */
export const leftOutFiles: ReadonlySet<string> = new Set([
  'postmaster.pid',
  'recovery.conf',
  'tablespace_map',
  'recovery.signal',
  'standby.signal',
]);

/** Folders that we write into afterwards: never through a symbolic link that the backup brings. */
export const realFolders: ReadonlySet<string> = new Set(['global', 'pg_tblspc']);

/**
 * Whether something in a tablespace is PostgreSQL's, which has one folder in it. The place of a tablespace is the word of the server that was backed up, and may be
 * any folder: nothing else is put there.
 */
export function isOfTablespace(path: string): boolean {
  return /^PG_\d/.test(path);
}

/** The same for rsync: each pattern takes what differs one character later. */
export const strangersOfTablespace: readonly string[] = ['/[!P]*', '/P', '/P[!G]*', '/PG', '/PG[!_]*', '/PG_', '/PG_[!0-9]*'];

/** Name that the control file waits under where it cannot be copied last. */
export const heldControlFile = 'global/pg_control.restoring';

/** A folder of the older copy that lies elsewhere, and that a delta restore leaves there. */
export interface KeptLink {
  /** In the data folder: `pg_wal`. */
  readonly name: string;
  /** Path of the folder, without links. */
  readonly target: string;
}
