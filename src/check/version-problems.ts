import { methodOf } from '../config/backup-methods.ts';
import { backupCompressionOf, compressionProblems } from '../postgres/basebackup-compression.ts';
import { accessible } from './accessible.ts';
import type { CheckFacts } from './check.ts';

/**
 * Problems of the configuration that only the versions in use show (docs/reference/config-checks-hooks.md section 5); none while the server cannot be
 * reached or `pg_basebackup` is missing, which other checks tell.
 */
export async function versionProblems(facts: CheckFacts): Promise<readonly string[]> {
  const { options } = facts.server.config;
  const compression = backupCompressionOf(options);
  if (!methodOf(options).streams || compression === undefined) return [];
  const server = accessible(facts.streaming)?.version.number;
  const client = (await facts.clientProgram('pg_basebackup'))?.version;
  if (server === undefined || client === undefined) return [];
  const known = compressionProblems(compression).map(({ text }) => text); // told already as problems of the configuration
  return compressionProblems(compression, { client, server })
    .map(({ text }) => text)
    .filter((text) => !known.includes(text));
}
