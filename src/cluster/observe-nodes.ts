import type { Server } from '../config/server.ts';
import { walConnections } from '../config/wal-connections.ts';
import { readNodeState } from '../postgres/node-state.ts';
import { identifySystem, readTimelineHistory } from '../postgres/replication-commands.ts';
import { ServerNodes } from '../postgres/server-nodes.ts';
import { readKeptSegments, readSegmentSize, readSender } from '../postgres/server-queries.ts';
import type { Context } from '../shared/context.ts';
import { messageOf, OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import type { ClusterNode, ObservedNode, ReachedNode } from './cluster-node.ts';

/** For one node to answer everything; a node that hangs holds up nobody longer. */
const observingMs = 5000;

/** Asks nodes what they are, side by side. @throws OperatorError `interrupted` */
export async function observeNodes(
  server: Pick<Server, 'config' | 'environment'>,
  nodes: readonly ClusterNode[],
  { signal }: Pick<Context, 'signal'>,
): Promise<readonly ObservedNode[]> {
  return await Promise.all(
    nodes.map(async (node): Promise<ObservedNode> => {
      const limit = AbortSignal.timeout(observingMs);
      try {
        return await observe(server, node, AbortSignal.any([signal, limit]));
      } catch (error) {
        if (signal.aborted) throw error;
        const isExpected = error instanceof OperatorError || systemCodeOf(error) !== undefined || limit.aborted;
        if (!isExpected) throw error;
        const reason = limit.aborted ? `no answer within ${String(observingMs / 1000)} s` : messageOf(error);
        return { ...node, kind: 'missed', reason };
      }
    }),
  );
}

async function observe(
  { config, environment }: Pick<Server, 'config' | 'environment'>,
  node: ClusterNode,
  signal: AbortSignal,
): Promise<ReachedNode> {
  const wanted = { entry: node.entry, isOnly: true };
  const nodes = new ServerNodes({ ...walConnections(config.options), wanted }, environment);
  await using connection = await nodes.queries(signal, observingMs);
  await using stream = await nodes.replication('barman', signal);
  const { systemid, timeline } = await identifySystem(stream);
  const history = await readTimelineHistory(stream, timeline);
  const state = await readNodeState(connection);
  return {
    ...node,
    kind: 'reached',
    systemid,
    timeline,
    history,
    ...state,
    segmentSize: await readSegmentSize(connection),
    kept: await readKeptSegments(connection),
    upstream: state.isInRecovery ? await readSender(connection) : undefined,
  };
}
