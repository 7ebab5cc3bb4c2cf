import type { Connection } from '../postgres/connect.ts';
import { readCurrentPosition, readSetting } from '../postgres/server-queries.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { formatInterval } from '../shared/units.ts';
import type { Host } from '../transport/hosts/host.ts';
import type { BackupJob } from './backup-job.ts';
import type { CopiedItem } from './copy-cluster.ts';
import type { RelationFile } from './relation-file.ts';
import type { BadPage } from './reread-pages.ts';
import { verifyPages } from './verify-pages.ts';

interface Surroundings {
  readonly host: Host;
  /** Aborts when the session of the backup breaks, too. */
  readonly signal: AbortSignal;
}

/** Named in the messages; of more of them only the number is told. */
const namedPages = 20;

/**
 * Verifies page checksums as `verify_checksums` asks, where the cluster has them. The server is still in backup mode: a page that it changes
 * meanwhile is one that recovery of this backup writes anew.
 * @throws OperatorError `backup-failed` when pages are damaged and `verify_checksums = fail`
 */
export async function verifyChecksums(
  job: BackupJob,
  copied: readonly CopiedItem[],
  { host, signal }: Surroundings,
): Promise<void> {
  const { facts, connection, server, backup } = job;
  const context = { ...job.context, signal };
  const mode = server.config.options.verify_checksums;
  if (mode === 'off' || facts.dataChecksums !== 'on') return;
  job.begin('verifying page checksums');
  const startedMs = context.clock.elapsedMs();
  const pageBytes = Number((await readSetting(connection, 'block_size')) ?? 8192);
  const currentLsn = async (): Promise<bigint> => (await readCurrentPosition(connection)).lsn;
  const bad = await verifyPages(copied, { host, pageBytes, startLsn: backup.beginXlog ?? 0n, currentLsn }, context);
  const took = formatInterval((context.clock.elapsedMs() - startedMs) / 1000);
  context.messages.info(
    `Page checksums verified (time: ${took}): ${bad.length === 0 ? 'all good' : `${String(bad.length)} wrong`}`,
  );
  if (bad.length === 0) return;
  for (const page of bad.slice(0, namedPages)) context.messages.warning(await wordsFor(page, connection));
  if (mode === 'report') return;
  const [first] = bad;
  throw new OperatorError(
    'backup-failed',
    `${String(bad.length)} pages have wrong checksums, the first in block ${String(first?.block)} of ${first?.file ?? ''}`,
    {
      hint: 'the data of the server itself are damaged: keep the older backups, and examine its disks; with verify_checksums = report the backup does not fail',
    },
  );
}

async function wordsFor({ file, block, relation, found, expected }: BadPage, connection: Connection): Promise<string> {
  const name = await nameOf(relation, file, connection);
  return `wrong page checksum in block ${String(block)} of ${file} (${name}): ${hex4(found)}, expected ${hex4(expected)}`;
}

/** Only a connection to its own database knows the name of a relation. */
async function nameOf({ database, filenode, fork }: RelationFile, file: string, connection: Connection): Promise<string> {
  const [row] = await connection.query(
    `SELECT d.datname AS database, CASE WHEN d.datname = current_database() OR d.oid IS NULL THEN
(SELECT c.oid::regclass::text FROM pg_class c WHERE pg_relation_filenode(c.oid) = $2::oid LIMIT 1) END AS relation
FROM (SELECT $1::oid AS oid) wanted LEFT JOIN pg_database d ON d.oid = wanted.oid`,
    [String(database ?? 0), String(filenode)],
  );
  const relation = row?.['relation'] ?? `filenode ${String(filenode)}`;
  const where = file.includes('/global/') ? 'shared by all databases' : `database ${row?.['database'] ?? String(database)}`;
  return `relation ${relation}, fork ${fork}, ${where}`;
}

function hex4(value: number): string {
  return value.toString(16).toUpperCase().padStart(4, '0');
}
