import { nodesOf, walNodesOf } from '../../config/nodes-of-server.ts';
import type { Server } from '../../config/server.ts';
import { shortAnswerMs } from '../../postgres/answering-within.ts';
import { readCurrentPosition, readIsInRecovery } from '../../postgres/server-queries.ts';
import { readStreamingClients } from '../../postgres/streaming-clients.ts';
import type { Context } from '../../shared/context.ts';
import { messageOf, OperatorError } from '../../shared/operator-error.ts';
import type { ReplicationReport, ReplicationTarget } from '../reports/server-reports.ts';

interface ReplicationOptions {
  readonly target: ReplicationTarget;
  readonly source: 'backup-host' | 'wal-host';
}

/** A connection, whose failure Barman tells in few words. */
async function connected<T>({ config }: Server, connect: () => Promise<T>): Promise<T> {
  try {
    return await connect();
  } catch (error) {
    if (!(error instanceof OperatorError) || error.code !== 'connection-failed') throw error;
    const { hint } = error;
    throw new OperatorError(error.code, error.lines, {
      ...(hint === undefined ? {} : { hint }),
      cause: error.cause,
      asBarman: `Unable to connect to server ${config.name}`,
    });
  }
}

/**
 * The clients that stream from a server (docs/reference/cli.md section 6.6).
 * @throws OperatorError `connection-failed`
 */
export async function readReplicationStatus(
  server: Server,
  { target, source }: ReplicationOptions,
  { signal }: Pick<Context, 'signal'>,
): Promise<ReplicationReport> {
  const { name } = server.config;
  const nodes = source === 'wal-host' ? walNodesOf(server) : nodesOf(server);
  await using connection = await connected(server, async () => await nodes.queries(signal, shortAnswerMs));
  try {
    const isInRecovery = await readIsInRecovery(connection);
    const clients = (await readStreamingClients(connection)).filter(({ replay }) => {
      if (target === 'all') return true;
      return target === 'hot-standby' ? replay !== undefined : replay === undefined;
    });
    const { lsn } = await readCurrentPosition(connection);
    return { serverName: name, target, isInRecovery, currentLsn: lsn, clients };
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    throw new OperatorError(error.code, `Unable to check replication status of server '${name}': ${messageOf(error)}`, {
      cause: error,
    });
  }
}
