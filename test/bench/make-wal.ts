import { execFile } from 'node:child_process';
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startCluster } from '../helpers/start-cluster.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';

export const walMajor = 15;

/** WAL of a real server, and the data folder that it belongs to. */
export interface MadeWal extends AsyncDisposable {
  /** Data folder of the server as it was, cleanly shut down, before all of the segments. */
  readonly base: string;
  /** Paths of consecutive segments in one folder, oldest first. */
  readonly segments: readonly string[];
}

/** Lets a server write what an ordinary load writes: inserts and updates of an indexed table. */
export async function makeWal(count: number): Promise<MadeWal> {
  const folder = await createTemporaryFolder('wb', { owner: 'server' });
  const base = join(folder.path, 'base');
  const target = join(folder.path, 'segments');
  await mkdir(target, { mode: 0o755 });
  const settings = { max_wal_size: '8GB', wal_keep_size: '8GB', checkpoint_timeout: '1h' };
  await using cluster = await startCluster({ major: walMajor, settings });
  await cluster.query('CREATE TABLE load (id bigint PRIMARY KEY, words text, number int)');
  await cluster.stop();
  await promisify(execFile)('cp', ['-a', cluster.dataDir, base]);
  await cluster.start();
  for (let round = 0; (await finishedSegments(cluster.dataDir)).length <= count; round++) {
    const from = String(round * 100_000);
    await cluster.query(`INSERT INTO load SELECT i + ${from}, md5(i::text), i FROM generate_series(1, 100000) i`);
    await cluster.query(`UPDATE load SET number = number + 1 WHERE id % 7 = ${String(round % 7)} AND id > ${from}`);
  }
  const names = (await finishedSegments(cluster.dataDir)).slice(0, count);
  for (const name of names) await copyFile(join(cluster.dataDir, 'pg_wal', name), join(target, name));
  await promisify(execFile)('chmod', ['-R', 'a+rX', target]);
  return {
    base,
    segments: names.map((name) => join(target, name)),
    [Symbol.asyncDispose]: async () => await folder[Symbol.asyncDispose](),
  };
}

/** Without the one that is written now, and without those that wait to be used again. */
async function finishedSegments(dataDir: string): Promise<string[]> {
  const names = (await readdir(join(dataDir, 'pg_wal'))).filter((name) => /^[0-9A-F]{24}$/.test(name)).toSorted();
  return names.slice(0, -2);
}
