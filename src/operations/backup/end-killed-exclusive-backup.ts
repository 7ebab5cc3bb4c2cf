import { methodNamed } from '../../backup/all-methods.ts';
import { endLeftExclusiveBackup } from '../../backup/end-left-exclusive-backup.ts';
import type { Backup } from '../../catalog/backups/backup.ts';
import { nodesOf } from '../../config/nodes-of-server.ts';
import type { Server } from '../../config/server.ts';
import { readServerVersion, readSetting } from '../../postgres/server-queries.ts';
import type { Context } from '../../shared/context.ts';
import { messageOf, OperatorError } from '../../shared/operator-error.ts';

/**
 * Takes the server out of the exclusive backup that one of these killed backups left it in, if its record says that it was to begin one. When
 * that is not possible now it is told; the next exclusive backup ends it in any case.
 */
export async function endKilledExclusiveBackup(
  server: Server,
  killed: readonly Backup[],
  context: Pick<Context, 'messages' | 'signal'>,
): Promise<void> {
  if (!killed.some(({ mode }) => mode === 'rsync-exclusive')) return;
  try {
    await endOn(server, context);
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    context.messages.warning(
      `server '${server.config.name}' may still be in an exclusive backup that was killed: ${messageOf(error)}; the next exclusive backup ends it, as SELECT pg_stop_backup() does`,
    );
  }
}

async function endOn(server: Server, context: Pick<Context, 'messages' | 'signal'>): Promise<void> {
  const { name: serverName, options } = server.config;
  await using host = methodNamed(options.backup_method)?.host(server);
  if (host === undefined)
    throw new OperatorError(
      'configuration-invalid',
      `backup_method = ${options.backup_method} does not say how its files are reached`,
    );
  await using connection = await nodesOf(server).queries(context.signal);
  const { number: version } = await readServerVersion(connection);
  const pgdata = await readSetting(connection, 'data_directory');
  if (version >= 150_000 || pgdata === undefined) return;
  await endLeftExclusiveBackup({ serverName, connection, version, pgdata, host }, context);
}
