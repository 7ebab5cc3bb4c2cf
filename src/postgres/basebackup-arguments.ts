interface BasebackupOptions {
  /** Path of `pg_basebackup`. */
  readonly program: string;
  /** Connection string without password. */
  readonly connection: string;
  readonly dataFolder: string;
  readonly tablespaces: readonly { readonly location: string; readonly folder: string }[];
  /** 0 for none. */
  readonly kilobytesPerSecond: number;
  readonly isCheckpointFast: boolean;
}

/** Command line of a plain base backup without WAL (engine.md section 5.2). */
export function basebackupArguments(options: BasebackupOptions): string[] {
  const { program, connection, dataFolder, tablespaces, kilobytesPerSecond, isCheckpointFast } = options;
  return [
    program,
    `--dbname=${connection}`,
    '-v',
    '--no-password',
    `--pgdata=${dataFolder}`,
    '--no-slot',
    '--wal-method=none',
    ...tablespaces.map(({ location, folder }) => `--tablespace-mapping=${escapeEquals(location)}=${escapeEquals(folder)}`),
    ...(kilobytesPerSecond > 0 ? [`--max-rate=${String(kilobytesPerSecond)}`] : []),
    ...(isCheckpointFast ? ['--checkpoint=fast'] : []),
  ];
}

/** The option splits at the first `=` that has no backslash before it. */
function escapeEquals(path: string): string {
  return path.replaceAll('=', '\\=');
}
