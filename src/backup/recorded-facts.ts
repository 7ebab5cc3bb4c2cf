import type { Backup } from '../catalog/backups/backup.ts';
import type { BackupFacts } from '../postgres/backup-facts.ts';

/** What the record takes from the facts of the server (docs/reference/engine.md section 3.2). */
export function recordedFacts(facts: BackupFacts): Partial<Backup> {
  const { tablespaces } = facts;
  return {
    version: facts.version,
    pgdata: facts.pgdata ?? null,
    xlogSegmentSize: facts.segmentSize,
    configFile: facts.configFile ?? null,
    hbaFile: facts.hbaFile ?? null,
    identFile: facts.identFile ?? null,
    includedFiles: facts.includedFiles.length === 0 ? null : facts.includedFiles,
    tablespaces: tablespaces.length === 0 ? null : tablespaces,
    dataChecksums: facts.dataChecksums ?? null,
    summarizeWal: facts.summarizeWal ?? null,
    clusterSize: facts.clusterSize ?? null,
  };
}
