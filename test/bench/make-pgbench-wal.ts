import { execFile } from 'node:child_process';
import { copyFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { startCluster } from '../helpers/start-cluster.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';
import { writePgbenchWal } from '../helpers/write-pgbench-wal.ts';
import { type MadeWal, walMajor } from './make-wal.ts';

/** Copies of what pgbench writes: four fifths of it fill the tables, the rest are its transactions. */
export async function makePgbenchWal(count: number): Promise<MadeWal> {
  const folder = await createTemporaryFolder('wp');
  const base = join(folder.path, 'base');
  await using cluster = await startCluster({ major: walMajor, settings: { max_wal_size: '1GB', wal_keep_size: '4GB' } });
  await cluster.stop();
  await promisify(execFile)('cp', ['-a', cluster.dataDir, base]);
  await cluster.start();
  const written = await writePgbenchWal(cluster, count, Math.ceil(count * 1.25)); // a scale of 1 is 10 MB of WAL
  const segments = written.map((path) => join(folder.path, basename(path)));
  for (const [index, path] of written.entries()) await copyFile(path, segments[index] ?? '');
  await promisify(execFile)('chmod', ['-R', 'a+rX', folder.path]);
  return { base, segments, [Symbol.asyncDispose]: async () => await folder[Symbol.asyncDispose]() };
}
