import type { Server } from '../config/server.ts';
import { walConnections } from '../config/wal-connections.ts';
import { readNodeState } from '../postgres/node-state.ts';
import { identifySystem, readTimelineHistory } from '../postgres/replication-commands.ts';
import { ServerNodes } from '../postgres/server-nodes.ts';
import { readKeptSegments, readSegmentSize, readSender } from '../postgres/server-queries.ts';
import type { Context } from '../shared/context.ts';
import { messageOf, OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import type { ClusterNode, ObservedNode, ReachedNode } from './cluster-node.ts';
import { withinLimit } from './within-limit.ts';

/** For one node to answer everything; a node that hangs holds up nobody longer. */
const observingMs = 5000;

/** Asks nodes what they are, concurrently. @throws OperatorError `interrupted` */
export async function observeNodes(
  server: Pick<Server, 'config' | 'environment'>,
  nodes: readonly ClusterNode[],
  { signal }: Pick<Context, 'signal'>,
): Promise<readonly ObservedNode[]> {
  return await Promise.all(
    nodes.map(async (node): Promise<ObservedNode> => {
      try {
        return await withinLimit(observingMs, signal, async (limited) => await observe(server, node, limited));
      } catch (error) {
        if (signal.aborted || (!(error instanceof OperatorError) && systemCodeOf(error) === undefined)) throw error;
        return { ...node, kind: 'missed', reason: messageOf(error) };
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
  const state = await readNodeState(connection); // first: a node that has just left recovery is on its new timeline
  const { systemid, timeline } = await identifySystem(stream);
  const history = await readTimelineHistory(stream, timeline);
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
