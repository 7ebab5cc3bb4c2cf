// Where a test machine keeps what it unpacked: outside the repository, shared by all clones of one user.
import { homedir } from 'node:os';
import { join } from 'node:path';

export function cacheFolder(env = process.env) {
  if (env.PGCELLAR_TEST_CACHE) return env.PGCELLAR_TEST_CACHE;
  if (process.getuid() === 0) return '/var/cache/pgcellar-test';
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'pgcellar-test');
}

/** The description that `prepareForTest` leaves; its shape is in cache-folder.d.mts, and its name changes with that. */
export function machineFile(env = process.env) {
  return join(cacheFolder(env), 'machine-5.json');
}
