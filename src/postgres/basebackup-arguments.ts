import { type BackupCompression, compressionArguments } from './basebackup-compression.ts';

interface BasebackupOptions {
  /** Path of `pg_basebackup`. */
  readonly program: string;
  /** Its version as servers count: 150018. */
  readonly programVersion: number;
  /** Connection string without password. */
  readonly connection: string;
  readonly dataFolder: string;
  readonly tablespaces: readonly { readonly location: string; readonly folder: string }[];
  /** 0 for none. */
  readonly kilobytesPerSecond: number;
  readonly isCheckpointFast: boolean;
  /** Undefined stores plain files. */
  readonly compression: BackupCompression | undefined;
  /** Manifest of the backup that this one is built on; undefined copies everything. */
  readonly parentManifest: string | undefined;
}

/** Command line of a base backup without WAL (docs/reference/engine.md sections 5.2 and 5.3). */
export function basebackupArguments(options: BasebackupOptions): string[] {
  const { program, programVersion, connection, dataFolder, tablespaces, kilobytesPerSecond, parentManifest } = options;
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
    ...(parentManifest === undefined ? [] : [`--incremental=${parentManifest}`]),
    ...(options.isCheckpointFast ? ['--checkpoint=fast'] : []),
    ...compressionArguments(options.compression, programVersion),
  ];
}

/** The range of `--max-rate` of `pg_basebackup` (PostgreSQL manual, pg_basebackup). */
const rates = { least: 32, most: 1_048_576 };

/** Why its copy cannot be limited so, for who is to decide before anything is copied. @param kilobytesPerSecond 0 for no limit */
export function rateProblems(kilobytesPerSecond: number): readonly string[] {
  if (kilobytesPerSecond === 0 || (kilobytesPerSecond >= rates.least && kilobytesPerSecond <= rates.most)) return [];
  const range = `${String(rates.least)} to ${String(rates.most)}`;
  return [`pg_basebackup limits its rate to ${range} kilobytes a second, not to ${String(kilobytesPerSecond)}`];
}

/** The option splits at the first `=` that has no backslash before it. */
function escapeEquals(path: string): string {
  return path.replaceAll('=', '\\=');
}
