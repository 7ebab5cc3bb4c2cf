import { hasArrived } from '../../catalog/wal/list-streamed.ts';
import { isSameNode, type ReachedNode } from '../../cluster/cluster-node.ts';
import { clusterSourceOf } from '../../cluster/cluster-source.ts';
import { listStoppedNodes } from '../../cluster/list-stopped-nodes.ts';
import { type ClusterView, lookAtCluster } from '../../cluster/look-at-cluster.ts';
import { type MissingSegment, type StoppedNode, type StreamPlan, whoHas } from '../../cluster/plan-following.ts';
import { rememberCluster } from '../../cluster/remembered-cluster.ts';
import { addSwitch, lostBytesOf } from '../../cluster/switch-records.ts';
import type { Server } from '../../config/server.ts';
import type { Context } from '../../shared/context.ts';
import { expectedFailureOf, messageOf } from '../../shared/operator-error.ts';
import { segmentHolding } from '../../wal/diagnose-receiver.ts';
import { type Lsn, lsnFromBytes } from '../../wal/lsn.ts';
import { type SegmentName, timelineOf } from '../../wal/wal-name.ts';
import { fetchMissingWal } from './fetch-missing-wal.ts';
import { warnOfSwitchLoss } from './settle-switches.ts';

/**
 * Takes note of a change of the primary where WAL comes by `archive_command` only, and no receiver sees it. A promoted standby does not ship the
 * segments that its old primary had not shipped: those are fetched. The caller holds the cron lock.
 */
export async function noteUnstreamedSwitch(server: Server, context: Context): Promise<void> {
  if (server.config.options.streaming_archiver || clusterSourceOf(server) === 'off') return;
  try {
    const view = await lookAtCluster(server, context);
    const { plan, after } = view;
    if (plan.kind === 'wait' || plan.kind === 'refuse') await rememberCluster(server.layout, after);
    else await note(server, view, plan, context);
  } catch (error) {
    if (expectedFailureOf(error) === undefined || context.signal.aborted) throw error;
    context.log.warning(`the cluster of server ${server.config.name} cannot be looked at: ${messageOf(error)}`);
  }
}

async function note(server: Server, view: ClusterView, { node }: StreamPlan, context: Context): Promise<void> {
  const { before, after, held } = view;
  const { followed } = before;
  const now = context.clock.now();
  const isOther = followed === undefined || !isSameNode(followed, node);
  if (followed !== undefined && (isOther || followed.timeline !== node.timeline)) {
    const fork = node.history.find(({ timeline }) => timeline === followed.timeline);
    const [missing, fetched] =
      fork === undefined ? [[], []] : await fetchUnshipped(server, { view, node, fork: fork.switchLsn }, context);
    const isHeldOfIt = held !== undefined && timelineOf(held.newest.segment) === followed.timeline;
    const reached = isHeldOfIt && fetched.length === 0 ? held.end : fork?.switchLsn;
    const record = {
      at: now,
      from: followed.name,
      to: node.name,
      oldTimeline: followed.timeline,
      newTimeline: node.timeline,
      fork: fork?.switchLsn,
      held: reached,
      lostBytes: Number(
        lostBytesOf(before, { node, fork: fork && { timeline: fork.timeline, at: fork.switchLsn }, held: reached }),
      ),
      isLossExact: fork === undefined,
      gone: missing.filter((segment) => !fetched.includes(segment)),
      fetched: fetched.length,
      secondsWithoutStream: undefined,
      repeated: undefined,
      continuity: undefined,
      acknowledgedAt: undefined,
    };
    await addSwitch(server.layout, record);
    context.messages.info(`The primary of server ${server.config.name} has changed: it is ${node.name} now`);
    warnOfSwitchLoss(record, context.messages);
  }
  const { entry, name, timeline } = node;
  await rememberCluster(server.layout, {
    ...after,
    followed: { entry, name, timeline, since: isOther ? now : followed.since },
  });
}

interface Unshipped {
  readonly view: ClusterView;
  readonly node: ReachedNode;
  readonly fork: Lsn;
}

/** No archiver is further behind. */
const mostUnshipped = 10_000;

/** @returns the segments before that of the fork which did not arrive, and those of them that are here now */
async function fetchUnshipped(
  server: Server,
  { view, node, fork }: Unshipped,
  context: Context,
): Promise<readonly [readonly SegmentName[], readonly SegmentName[]]> {
  const size = BigInt(node.segmentSize);
  const names: SegmentName[] = [];
  for (let index = fork / size - 1n; index >= 0n && names.length < mostUnshipped; index--) {
    const segment = segmentHolding(lsnFromBytes(index * size), node);
    if (hasArrived(server.layout, segment)) {
      const sources = (stopped: readonly StoppedNode[] = []): readonly MissingSegment[] =>
        names.toReversed().map((each) => whoHas(each, view.nodes, stopped));
      const running = sources();
      const isComplete = running.every(({ from }) => from !== undefined);
      const missing = isComplete ? running : sources(await listStoppedNodes(server, view, context));
      const { systemid, segmentSize } = node;
      const found = await fetchMissingWal(server, { missing, nodes: view.nodes, systemid, segmentSize }, context);
      return [names.toReversed(), found];
    }
    names.push(segment);
  }
  return [[], []]; // nothing of that timeline is archived: nobody knows where the archive would have begun
}
