import { readKnownCluster } from '../catalog/identity.ts';
import { hasArrived } from '../catalog/wal/list-streamed.ts';
import type { HeldWal } from '../catalog/wal/read-held-wal.ts';
import { readHeldWal } from '../catalog/wal/read-held-wal.ts';
import type { Server } from '../config/server.ts';
import type { Context } from '../shared/context.ts';
import type { ClusterSource, ObservedNode } from './cluster-node.ts';
import { clusterSourceOf } from './cluster-source.ts';
import { listNodes } from './list-nodes.ts';
import { listStoppedNodes } from './list-stopped-nodes.ts';
import { observeNodes } from './observe-nodes.ts';
import { type FollowingFacts, type FollowingPlan, lacksWal, planFollowing } from './plan-following.ts';
import { type RememberedCluster, readRememberedCluster, withObserved } from './remembered-cluster.ts';

/** A cluster as it is now, and what is to be done about it. */
export interface ClusterView {
  readonly source: ClusterSource;
  /** Why the source of the nodes did not answer. */
  readonly problem: string | undefined;
  readonly nodes: readonly ObservedNode[];
  /** The facts remembered before this look. */
  readonly before: RememberedCluster;
  /** The facts to remember after it. */
  readonly after: RememberedCluster;
  readonly held: HeldWal | undefined;
  readonly plan: FollowingPlan;
}

/**
 * Lists and asks the nodes of a server's cluster, and plans which of them is followed; changes nothing. A brief look does not read how far the
 * newest segment goes.
 * @throws OperatorError `configuration-invalid`, `wal-index-invalid`, `lock-failed`, `interrupted`
 */
export async function lookAtCluster(server: Server, context: Context, { isBrief = false } = {}): Promise<ClusterView> {
  const { layout, config } = server;
  const before = readRememberedCluster(layout);
  const listed = await listNodes(server, before, context);
  const asked = before.segmentSize === undefined ? await observeNodes(server, listed.nodes, context) : [];
  const segmentSize = before.segmentSize ?? asked.find((node) => node.kind === 'reached')?.segmentSize;
  // before the nodes are asked: they may have less than we hold only when they were set back
  const held = segmentSize === undefined ? undefined : await readHeldWal(server, { segmentSize, isBrief }, context);
  const nodes = await observeNodes(server, listed.nodes, context);
  const known = await readKnownCluster(server);
  const { slot_name: name, create_slot: creation, streaming_archiver: isStreaming } = config.options;
  const facts: FollowingFacts = {
    nodes,
    remembered: before,
    systemid: known?.systemid,
    held,
    slot: name === undefined || !isStreaming ? undefined : { name, isCreatedAlone: creation === 'auto' },
    isStreamed: isStreaming,
    isArchived: (segment) => hasArrived(layout, segment),
  };
  const first = planFollowing(facts);
  const stopped = lacksWal(first) ? await listStoppedNodes(server, { nodes, before }, context) : [];
  const plan = stopped.length === 0 ? first : planFollowing({ ...facts, stopped });
  const isSetBack = plan.kind === 'refuse' && plan.name === 'past-fork'; // only what it was before tells that, also the next time
  const remembered = { ...before, urls: listed.urls };
  const after = isSetBack ? remembered : withObserved(remembered, nodes, context.clock.now());
  return { source: clusterSourceOf(server), problem: listed.problem, nodes, before, after, held, plan };
}
