import { fetchSegments } from '../../archive/fetch-segments.ts';
import type { ClusterNode, ObservedNode } from '../../cluster/cluster-node.ts';
import { isSameNode } from '../../cluster/cluster-node.ts';
import type { MissingSegment } from '../../cluster/plan-following.ts';
import { walNodesOf } from '../../config/nodes-of-server.ts';
import type { Server } from '../../config/server.ts';
import type { Context } from '../../shared/context.ts';
import { expectedFailureOf, messageOf } from '../../shared/operator-error.ts';
import { type SegmentName, segmentIndex } from '../../wal/wal-name.ts';

/**
 * Fetches segments that the followed node has no more from the nodes that still have them, into the receiver's folder, where they wait to be
 * archived. What cannot be had is told, and left out.
 * @returns the segments that are here now
 */
export async function fetchMissingWal(
  server: Server,
  missing: readonly MissingSegment[],
  nodes: readonly ObservedNode[],
  context: Context,
): Promise<readonly SegmentName[]> {
  const found: SegmentName[] = [];
  for (const { node, segments } of runsOf(missing, nodes)) {
    const [first] = segments;
    context.messages.info(
      `Fetching ${String(segments.length)} WAL segments from ${node.name}, beginning with ${String(first)}: the primary has them no more`,
    );
    const there: Server = { ...server, node: { entry: node.entry, isOnly: true } };
    try {
      const { segmentSize, version: serverVersion, systemid } = node;
      await using connection = await walNodesOf(there).program('pgcellar_fetch_wal', context.signal);
      found.push(
        ...(await fetchSegments({ server: there, connection, serverVersion, segmentSize, systemid, segments }, context)),
      );
    } catch (error) {
      const failure = expectedFailureOf(error);
      if (failure === undefined || context.signal.aborted) throw error;
      context.messages.warning(`${node.name} does not send that WAL: ${messageOf(failure)}`);
    }
  }
  return found;
}

interface Run {
  readonly node: Extract<ObservedNode, { kind: 'reached' }>;
  readonly segments: readonly SegmentName[];
}

/** Segments in a row that come from one node. */
function runsOf(missing: readonly MissingSegment[], nodes: readonly ObservedNode[]): readonly Run[] {
  const runs: { node: Run['node']; segments: SegmentName[] }[] = [];
  for (const { segment, from } of missing) {
    const node = reachedNode(from, nodes);
    if (node === undefined) continue;
    const last = runs.at(-1);
    const before = last?.segments.at(-1);
    const isNext =
      before !== undefined && segmentIndex(segment, node.segmentSize) === segmentIndex(before, node.segmentSize) + 1;
    if (last !== undefined && isNext && isSameNode(last.node, node)) last.segments.push(segment);
    else runs.push({ node, segments: [segment] });
  }
  return runs;
}

function reachedNode(from: ClusterNode | undefined, nodes: readonly ObservedNode[]): Run['node'] | undefined {
  if (from === undefined) return undefined;
  return nodes.find((node): node is Run['node'] => node.kind === 'reached' && isSameNode(node, from));
}
