/** How `pg_basebackup` is to compress a backup: the options `backup_compression*` of a server. */
export interface BackupCompression {
  readonly type: 'gzip' | 'lz4' | 'zstd' | 'none';
  /** The format of the stored files: tar unless it says otherwise. */
  readonly format: 'tar' | 'plain';
  readonly level: number | undefined;
  readonly location: 'client' | 'server' | undefined;
  readonly workers: number | undefined;
}

/** The options of a server that it is made of. */
interface CompressionOptions {
  readonly backup_compression?: BackupCompression['type'] | undefined;
  readonly backup_compression_format?: BackupCompression['format'] | undefined;
  readonly backup_compression_level?: number | undefined;
  readonly backup_compression_location?: BackupCompression['location'];
  readonly backup_compression_workers?: number | undefined;
}

/** Versions as servers count them: 150018. */
export interface CompressingVersions {
  readonly client: number;
  readonly server: number;
}

/** Why a backup cannot be compressed so, and what Barman says of it. */
interface CompressionProblem {
  readonly text: string;
  readonly asBarman?: string;
}

/** From this version on compression is asked for by name, and the server can do it. */
const namedSince = 150_000;

/** Undefined when backups are not compressed: the other options then mean nothing. */
export function backupCompressionOf(options: CompressionOptions): BackupCompression | undefined {
  if (options.backup_compression === undefined) return undefined;
  return {
    type: options.backup_compression,
    format: options.backup_compression_format ?? 'tar',
    level: options.backup_compression_level,
    location: options.backup_compression_location,
    workers: options.backup_compression_workers,
  };
}

/** The compression in a record (docs/reference/catalog.md section 5.3): null for files that are stored as they are. */
export function recordedCompression(compression: BackupCompression | undefined): string | null {
  return compression === undefined || compression.format === 'plain' ? null : compression.type;
}

/** Words for a client of that version (docs/reference/engine.md section 5.3). */
export function compressionArguments(compression: BackupCompression | undefined, clientVersion: number): readonly string[] {
  if (compression === undefined) return [];
  const { type, format, level, location, workers } = compression;
  const words = [`--format=${format}`];
  if (clientVersion >= namedSince) {
    const details = [
      ...(level === undefined ? [] : [`level=${String(level)}`]),
      ...(workers === undefined ? [] : [`workers=${String(workers)}`]),
    ];
    const where = location === undefined ? '' : `${location}-`;
    return [...words, `--compress=${where}${type}${details.length === 0 ? '' : `:${details.join(',')}`}`];
  }
  if (type === 'none') return [...words, '--compress=0'];
  // they know no -1: that is their default all the same
  return [...words, ...(level === undefined || level < 0 ? [] : [`--compress=${String(level)}`]), '--gzip'];
}

/**
 * Why backups cannot be compressed so; each reason disables the server (docs/reference/engine.md section 5.3).
 * @param versions undefined while nobody was asked: then only what no version can do
 */
export function compressionProblems(
  compression: BackupCompression,
  versions?: CompressingVersions,
): readonly CompressionProblem[] {
  return [
    ...locationProblems(compression, versions),
    ...formatProblems(compression),
    ...versionProblems(compression, versions),
    ...levelProblems(compression, versions),
    ...workerProblems(compression),
  ];
}

function locationProblems(
  { location }: BackupCompression,
  versions: CompressingVersions | undefined,
): readonly CompressionProblem[] {
  if (location !== 'server' || versions === undefined) return [];
  const needs = 'backup_compression_location = server needs';
  const older = [
    ...(versions.server < namedSince
      ? [`${needs} PostgreSQL 15 or newer: the server is version ${majorOf(versions.server)}`]
      : []),
    ...(versions.client < namedSince ? [`${needs} pg_basebackup 15 or newer: it is version ${majorOf(versions.client)}`] : []),
  ];
  return older.map((text) => ({ text }));
}

function formatProblems({ format, location }: BackupCompression): readonly CompressionProblem[] {
  if (format !== 'plain' || location === 'server') return [];
  const asBarman = `backup_compression_format plain is not compatible with backup_compression_location ${location ?? 'None'}`;
  return [{ text: 'backup_compression_format = plain needs backup_compression_location = server', asBarman }];
}

function versionProblems(
  { type }: BackupCompression,
  versions: CompressingVersions | undefined,
): readonly CompressionProblem[] {
  if (versions === undefined || versions.client >= namedSince || type === 'gzip' || type === 'none') return [];
  return [{ text: `backup_compression = ${type} needs pg_basebackup 15 or newer: it is version ${majorOf(versions.client)}` }];
}

const levels: Readonly<
  Record<
    BackupCompression['type'],
    { readonly least: number; readonly most: number; readonly words: string; readonly asBarman: string }
  >
> = {
  gzip: {
    least: 1,
    most: 9,
    words: 'between 1 and 9, or -1 for its default',
    asBarman: 'gzip expects a compression level between 1 and 9 (-1 will use default compression level).',
  },
  lz4: {
    least: 0,
    most: 12,
    words: 'between 0 and 12 (0 is its default)',
    asBarman: 'lz4 expects a compression level between 1 and 12 (0 will use default compression level).',
  },
  zstd: {
    least: -131_072,
    most: 22,
    words: 'between -131072 and 22 (3 is its default)',
    asBarman: "'zstd' expects a compression level between -131072 and 22 (3 will use default compression level).",
  },
  none: {
    least: 0,
    most: 0,
    words: 'of 0 only',
    asBarman: 'backup_compression none only supports backup_compression_level 0.',
  },
};

function levelProblems(
  { type, level }: BackupCompression,
  versions: CompressingVersions | undefined,
): readonly CompressionProblem[] {
  if (level === undefined) return [];
  const { least, most, words, asBarman } = levels[type];
  if (level >= least && level <= most) return [];
  if (type === 'gzip' && level === -1) return [];
  if (type === 'gzip' && level === 0 && (versions === undefined || versions.client < namedSince)) return [];
  const hint = type === 'gzip' && level === 0 ? '; use backup_compression = none for an archive without compression' : '';
  const unsupported = `backup_compression_level ${String(level)} unsupported by compression algorithm. `;
  return [
    {
      text: `backup_compression_level = ${String(level)} is not possible: ${type} takes a level ${words}${hint}`,
      asBarman: `${type === 'none' ? '' : unsupported}${asBarman}`,
    },
  ];
}

function workerProblems({ type, workers }: BackupCompression): readonly CompressionProblem[] {
  if (workers === undefined) return [];
  if (type !== 'zstd') {
    const text = `backup_compression_workers cannot be used with backup_compression = ${type}: only zstd has workers`;
    return [
      { text, asBarman: `backup_compression_workers is not compatible with compression ${type}${type === 'lz4' ? '.' : ''}` },
    ];
  }
  const text = `backup_compression_workers = ${String(workers)} is not possible: it is 0 or more`;
  const asBarman = `backup_compression_workers should be a positive integer: '${String(workers)}' is invalid.`;
  return workers < 0 ? [{ text, asBarman }] : [];
}

function majorOf(version: number): string {
  return String(Math.floor(version / 10_000));
}
