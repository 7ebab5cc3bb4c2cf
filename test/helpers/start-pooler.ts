// pgbouncer in front of a cluster of a test.
import { chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serverUser } from '../machine/server-user.mjs';
import { findFreePort } from './free-port.ts';
import type { PostgresServer } from './postgres-server.ts';
import { startProgram } from './run-program.ts';
import { createTemporaryFolder } from './temporary-folder.ts';
import { waitFor } from './wait-for.ts';

export interface Pooler extends AsyncDisposable {
  readonly port: number;
}

/** Pools connections to `server` as any user. */
export async function startPooler(
  server: PostgresServer,
  { mode, poolSize = 20 }: { readonly mode: 'session' | 'transaction' | 'statement'; readonly poolSize?: number },
): Promise<Pooler> {
  const folder = await createTemporaryFolder('pb', { owner: 'server' });
  const port = await findFreePort();
  const path = join(folder.path, 'pgbouncer.ini');
  const users = join(folder.path, 'users');
  await writeFile(users, '"barman" ""\n"streaming_barman" ""\n');
  await writeFile(
    path,
    `[databases]\n* = host=127.0.0.1 port=${String(server.port)}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${String(port)}\nunix_socket_dir =\nauth_type = trust\nauth_file = ${users}\npool_mode = ${mode}\ndefault_pool_size = ${String(poolSize)}\nignore_startup_parameters = extra_float_digits\n`,
  );
  const user = serverUser();
  if (user !== undefined) for (const name of [path, users]) await chown(name, user.uid, user.gid);
  const identity = user === undefined ? [] : [`--reuid=${user.name}`, `--regid=${String(user.gid)}`, '--init-groups'];
  const program = startProgram(['setpriv', ...identity, '--pdeathsig=KILL', '--', '/usr/sbin/pgbouncer', path], {
    cwd: folder.path,
    env: { PATH: '/usr/bin:/bin' },
  });
  await waitFor('the pooler listens', () => program.stderr().includes('process up'), { explain: () => program.stderr() });
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      await program[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}
