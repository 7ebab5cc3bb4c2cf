import { type BackupId, parseBackupId } from '../../catalog/backups/backup.ts';

/** Ways to pack an exported backup, by the ending of its file (docs/reference/since-3.17.md section 2.2). */
const exportEndings = { gzip: 'tar.gz', bzip2: 'tar.bz2', xz: 'tar.xz' } as const;

export type ExportCompression = keyof typeof exportEndings;

/** The parts of the name of an exported backup. */
export interface ExportName {
  readonly backupId: BackupId;
  /** First 8 digits of the SHA-256 of the file. */
  readonly checksum: string;
  readonly compression: ExportCompression | undefined;
}

/** Name of a file while it is being written, and after that: beginning and ending, the checksum between them. */
export function exportNames(
  serverName: string,
  id: BackupId,
  stamp: string,
): { readonly working: string; readonly finished: (checksum: string, compression: ExportCompression | undefined) => string } {
  const stem = `backup-export-${serverName}-${id}-${stamp}`;
  return {
    working: `${stem}.tmp`,
    finished: (checksum, compression) =>
      `${stem}-${checksum}.${compression === undefined ? 'tar' : exportEndings[compression]}`,
  };
}

/** Reads the name of an exported backup of one server; undefined for any other name. */
export function parseExportName(fileName: string, serverName: string): ExportName | undefined {
  const prefix = `backup-export-${serverName}-`;
  if (!fileName.startsWith(prefix)) return undefined;
  const [, id = '', checksum, ending] =
    /^(\d{8}T\d{6})-\d{8}T\d{6}-([0-9a-f]{8})\.(tar(?:\.gz|\.bz2|\.xz)?)$/.exec(fileName.slice(prefix.length)) ?? [];
  const backupId = parseBackupId(id);
  if (backupId === undefined || checksum === undefined) return undefined;
  const known = Object.entries(exportEndings).find(([, text]) => text === ending);
  return { backupId, checksum, compression: known?.[0] as ExportCompression | undefined }; // a key of that very object
}
