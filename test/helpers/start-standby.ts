// A hot standby of a test's cluster, made by pg_basebackup with its WAL and its own recovery settings.
import { execFile } from 'node:child_process';
import { appendFile, chown, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { serverUser } from '../machine/server-user.mjs';
import { requirePostgres } from './installations.ts';
import { PostgresServer, type Settings } from './postgres-server.ts';
import { createTemporaryFolder } from './temporary-folder.ts';
import { waitFor } from './wait-for.ts';

/** Follows `primary`; promote it with `SELECT pg_promote()`. One that is not fixed takes another primary from postgresql.auto.conf. */
export async function startStandby(
  primary: PostgresServer,
  settings: Settings = {},
  { isFixed = true } = {},
): Promise<PostgresServer> {
  const folder = await createTemporaryFolder('sb', { owner: 'server' });
  try {
    const dataDir = join(folder.path, 'data');
    const words = ['-d', primary.conninfo({ user: 'streaming_barman' }), '-D', dataDir, '-R', '-X', 'stream', '-c', 'fast'];
    await promisify(execFile)(join(primary.clientsDir, 'pg_basebackup'), words);
    await giveToServer(folder.path);
    const installation = requirePostgres(primary.major);
    const conninfo = primary.conninfo({ user: 'streaming_barman' }); // a newer pg_basebackup writes words that an older server does not know
    const given = { hot_standby: true, ...(isFixed ? { primary_conninfo: conninfo } : {}), ...settings };
    if (!isFixed) await appendFile(join(dataDir, 'postgresql.auto.conf'), `primary_conninfo = '${conninfo}'\n`);
    const server = new PostgresServer({ installation, dataDir, folder, settings: given, env: {} });
    await server.start();
    await waitFor('the standby streams', async () => {
      return (await primary.value("SELECT count(*) FROM pg_stat_replication WHERE application_name = 'walreceiver'")) !== '0';
    });
    return server;
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

async function giveToServer(path: string): Promise<void> {
  const user = serverUser();
  if (user === undefined) return;
  await chown(path, user.uid, user.gid);
  for (const name of await readdir(path, { recursive: true })) await chown(join(path, name), user.uid, user.gid);
}
