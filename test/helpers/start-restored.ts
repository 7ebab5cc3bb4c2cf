import { execFile } from 'node:child_process';
import { chmod } from 'node:fs/promises';
import { promisify } from 'node:util';
import { serverUser } from '../machine/server-user.mjs';
import { requirePostgres } from './installations.ts';
import { PostgresServer, type Settings } from './postgres-server.ts';
import { createTemporaryFolder } from './temporary-folder.ts';
import { waitFor } from './wait-for.ts';

interface RestoredOptions {
  /** Given to the server's user, with all below it and the tablespaces named here. */
  readonly dataDir: string;
  readonly tablespaces?: readonly string[];
  readonly major: number;
  /** Win over what the restored files say. */
  readonly settings?: Settings;
  /** The data folder may be read by its group. */
  readonly allowsGroup?: boolean;
  /** Environment of the server, e.g. for its restore_command. */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * - `ready` (default): connections are taken; recovery may still go on
   * - `promoted`: recovery has ended
   * - `paused`: recovery has reached its target and waits there
   * - `shutdown`: the server has reached its target and stopped by itself
   */
  readonly wait?: 'ready' | 'promoted' | 'paused' | 'shutdown';
}

/** Starts what a restore wrote. Disposing stops the server; the data directory stays the caller's. */
export async function startRestored({
  dataDir,
  tablespaces = [],
  major,
  settings = {},
  env = {},
  wait = 'ready',
  allowsGroup = false,
}: RestoredOptions): Promise<PostgresServer> {
  const installation = requirePostgres(major);
  const user = serverUser();
  if (user !== undefined) {
    await promisify(execFile)('chown', ['-R', `${String(user.uid)}:${String(user.gid)}`, dataDir, ...tablespaces]);
  }
  await chmod(dataDir, allowsGroup ? 0o750 : 0o700);
  const folder = await createTemporaryFolder('re', { owner: 'server' });
  const server = new PostgresServer({
    installation,
    dataDir,
    folder,
    settings: { fsync: 'off', hot_standby: 'on', ...settings },
    env,
  });
  try {
    await server.start({ until: wait === 'shutdown' ? 'ended' : 'ready' });
    if (wait === 'promoted') await waitForPromotion(server);
    if (wait === 'paused') await waitForPause(server);
    return server;
  } catch (error) {
    const log = await server.log();
    await server[Symbol.asyncDispose]();
    throw new Error(`the restored server did not become ${wait}; its log:\n${log}`, { cause: error });
  }
}

async function waitForPromotion(server: PostgresServer): Promise<void> {
  await waitFor('recovery ends', async () => (await isAlive(server).value('SELECT pg_is_in_recovery()')) === 'false', {
    timeoutMs: 120_000,
  });
}

async function waitForPause(server: PostgresServer): Promise<void> {
  const sql = server.major >= 14 ? "SELECT pg_get_wal_replay_pause_state() = 'paused'" : 'SELECT pg_is_wal_replay_paused()';
  await waitFor('recovery pauses at its target', async () => (await isAlive(server).value(sql)) === 'true', {
    timeoutMs: 120_000,
  });
}

function isAlive(server: PostgresServer): PostgresServer {
  if (!server.isRunning) throw new Error('the server ended');
  return server;
}
