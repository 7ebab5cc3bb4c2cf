import type { Connection } from './connect.ts';
import {
  readClusterSize,
  readIncludedFiles,
  readSegmentSize,
  readServerVersion,
  readSetting,
  readSystemId,
  readTablespaces,
} from './server-queries.ts';

/** The facts about the server in a backup record (docs/reference/engine.md section 3.2). */
export interface BackupFacts {
  readonly version: number;
  readonly pgdata: string | undefined;
  readonly segmentSize: number;
  readonly configFile: string | undefined;
  readonly hbaFile: string | undefined;
  readonly identFile: string | undefined;
  readonly includedFiles: readonly string[];
  readonly tablespaces: readonly { readonly name: string; readonly oid: number; readonly location: string }[];
  readonly dataChecksums: string | undefined;
  /** Undefined below version 17. */
  readonly summarizeWal: string | undefined;
  readonly clusterSize: number | undefined;
  readonly systemid: string | undefined;
}

/** Asks a server for all of it; what the role may not see is undefined. */
export async function readBackupFacts(connection: Connection): Promise<BackupFacts> {
  const { number: version } = await readServerVersion(connection);
  return {
    version,
    pgdata: await readSetting(connection, 'data_directory'),
    segmentSize: await readSegmentSize(connection),
    configFile: await readSetting(connection, 'config_file'),
    hbaFile: await readSetting(connection, 'hba_file'),
    identFile: await readSetting(connection, 'ident_file'),
    includedFiles: await readIncludedFiles(connection),
    tablespaces: await readTablespaces(connection),
    dataChecksums: await readSetting(connection, 'data_checksums'),
    summarizeWal: version >= 170_000 ? await readSetting(connection, 'summarize_wal') : undefined,
    clusterSize: await readClusterSize(connection),
    systemid: await readSystemId(connection),
  };
}
