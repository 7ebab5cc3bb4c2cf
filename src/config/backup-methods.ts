/** The properties of a backup method: checks, problems of a configuration and verbs ask for these, never for a name. */
interface MethodTraits {
  /** PostgreSQL sends the files, through `pg_basebackup` and a replication connection. */
  readonly streams: boolean;
  /** The server is put into backup mode meanwhile: `backup_options` says which one. */
  readonly hasBackupMode: boolean;
  /** Files are copied while the server writes them. */
  readonly copiesFiles: boolean;
  /** They are reached through `ssh_command`. */
  readonly usesSsh: boolean;
  /** They are read on this host. */
  readonly readsLocalFiles: boolean;
  readonly takesIncrementals: boolean;
  readonly takesSnapshots: boolean;
  /** Options without which nothing goes. */
  readonly needs: readonly string[];
  /** Options that it cannot do anything with. */
  readonly excludes: readonly string[];
}

const nothing = {
  streams: false,
  hasBackupMode: false,
  copiesFiles: false,
  usesSsh: false,
  readsLocalFiles: false,
  takesIncrementals: false,
  takesSnapshots: false,
  needs: [],
  excludes: [],
} as const satisfies MethodTraits;

/** Every value of `backup_method`. A new one is a row here and a file in `src/backup/methods`. */
export const backupMethods = {
  rsync: {
    ...nothing,
    hasBackupMode: true,
    copiesFiles: true,
    usesSsh: true,
    needs: ['ssh_command'],
    excludes: ['backup_compression'],
  },
  postgres: {
    ...nothing,
    streams: true,
    takesIncrementals: true,
    excludes: ['tablespace_bandwidth_limit', 'reuse_backup', 'network_compression'],
  },
  'local-rsync': {
    ...nothing,
    hasBackupMode: true,
    copiesFiles: true,
    readsLocalFiles: true,
    excludes: ['ssh_command', 'backup_compression'],
  },
  snapshot: {
    ...nothing,
    hasBackupMode: true,
    usesSsh: true,
    takesSnapshots: true,
    needs: ['ssh_command', 'snapshot_disks', 'snapshot_instance', 'snapshot_provider'],
    excludes: ['backup_compression', 'bandwidth_limit', 'network_compression', 'tablespace_bandwidth_limit', 'reuse_backup'],
  },
  'local-to-cloud': nothing,
} as const satisfies Record<string, MethodTraits>;

export type BackupMethodName = keyof typeof backupMethods;

/** In the order in which they are told. */
export const backupMethodNames = Object.keys(backupMethods) as readonly BackupMethodName[]; // the keys of that very object

/** The properties of a server's method. */
export function methodOf({
  backup_method: name,
}: {
  readonly backup_method: BackupMethodName;
}): (typeof backupMethods)[BackupMethodName] {
  return backupMethods[name];
}
