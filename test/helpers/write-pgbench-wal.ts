import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { PostgresServer } from './postgres-server.ts';
import { runProgram } from './run-program.ts';

/**
 * Lets pgbench fill its tables and then run its transactions until a server has written so many segments.
 * @param scale of 100,000 accounts each, which are about 10 MB of WAL
 * @returns paths in pg_wal, oldest first; the server must keep that many
 */
export async function writePgbenchWal(cluster: PostgresServer, count: number, scale: number): Promise<readonly string[]> {
  const pgWal = join(cluster.dataDir, 'pg_wal');
  const finished = async (): Promise<string[]> => {
    const current = await cluster.value('SELECT pg_walfile_name(pg_current_wal_lsn())');
    return (await readdir(pgWal)).filter((file) => /^[0-9A-F]{24}$/.test(file) && file < current).toSorted();
  };
  await pgbench(cluster, '--initialize', '--scale', String(scale), '--quiet');
  while ((await finished()).length < count) await pgbench(cluster, '--client', '4', '--transactions', '1500');
  return (await finished()).slice(0, count).map((file) => join(pgWal, file));
}

async function pgbench({ clientsDir, port }: PostgresServer, ...words: readonly string[]): Promise<void> {
  const argv = [join(clientsDir, 'pgbench'), '-h', '127.0.0.1', '-p', String(port), '-U', 'postgres', ...words, 'postgres'];
  const { exitCode, stderr } = await runProgram(argv);
  if (exitCode !== 0) throw new Error(`pgbench failed: ${stderr}`);
}
