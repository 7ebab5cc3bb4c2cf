import type { HeldWal } from '../catalog/wal/read-held-wal.ts';
import {
  describeStuckReceiver,
  diagnoseReceiver,
  type ReceiverDiagnosis,
  segmentHolding,
  segmentsOfGap,
} from '../wal/diagnose-receiver.ts';
import { formatLsn, type Lsn } from '../wal/lsn.ts';
import type { TimelineSwitch } from '../wal/timeline-history.ts';
import { nextSegment, type SegmentName, segmentAtLsn, segmentStart, timelineOf } from '../wal/wal-name.ts';
import { type ClusterNode, isSameNode, type NodeSlot, type ObservedNode, type ReachedNode } from './cluster-node.ts';
import type { RememberedCluster } from './remembered-cluster.ts';

/** Everything that decides which node WAL is streamed from. */
export interface FollowingFacts {
  readonly nodes: readonly ObservedNode[];
  readonly remembered: Pick<RememberedCluster, 'nodes' | 'followed' | 'streamedUntil'>;
  /** Of the catalog; undefined while it holds nothing. */
  readonly systemid: string | undefined;
  readonly held: HeldWal | undefined;
  /** Undefined where the receiver uses none. */
  readonly slot: { readonly name: string; readonly isCreatedAlone: boolean } | undefined;
  /** False where WAL comes by `archive_command` only: then nothing has to go on without a gap. */
  readonly isStreamed: boolean;
  /** Whether a whole segment is archived, or waits for that. */
  readonly isArchived: (segment: SegmentName) => boolean;
  /** Nodes that do not answer and whose files can be read; none until something is missing. */
  readonly stopped?: readonly StoppedNode[];
}

/** A node that does not answer, and the WAL in its data directory. */
export interface StoppedNode extends ClusterNode {
  readonly walFolder: string;
  readonly files: ReadonlySet<string>;
}

/** Why no node is followed; docs/high-availability.md names each with what mends it. */
type RefusalName =
  | 'other-cluster'
  | 'no-primary'
  | 'split-brain'
  | 'not-descendant'
  | 'past-fork'
  | 'ahead'
  | 'slot-missing'
  | 'slot-lost'
  | 'wal-gone';

/** A segment that is missing here and that the followed node has no more, and the node that still has it. */
export interface MissingSegment {
  readonly segment: SegmentName;
  readonly from: ClusterNode | undefined;
  /** The folder that its file is read from when that node does not answer. */
  readonly walFolder: string | undefined;
}

/** Streaming from a node. */
export interface StreamPlan {
  readonly kind: 'stay' | 'follow';
  readonly node: ReachedNode;
  readonly timeline: number;
  /** Where the stream begins. */
  readonly from: Lsn;
  /** The file that the receiver has to begin with; undefined where it finds that by itself. */
  readonly restart: SegmentName | undefined;
  /** The timeline that we hold was left here for that of the node. */
  readonly fork: { readonly timeline: number; readonly at: Lsn; readonly next: number } | undefined;
  /** Bytes of the timeline that was left which we hold and the node does not. */
  readonly pastFork: bigint;
  readonly slot: 'keep' | 'create' | 'recreate' | 'none';
  readonly missing: readonly MissingSegment[];
  /** Whether the stream begins behind WAL that cannot be had: after a switch there is no other way. */
  readonly mayLeaveHole: boolean;
  /** Nodes that still run as a primary of a timeline that was left. */
  readonly stale: readonly ReachedNode[];
}

/** No stream can begin. */
interface RefusedPlan {
  readonly kind: 'refuse';
  readonly name: RefusalName;
  readonly reason: string;
  readonly remedy: string;
}

export type FollowingPlan = StreamPlan | { readonly kind: 'wait'; readonly reason: string } | RefusedPlan;

/** Decides which node WAL is streamed from, and from where on. */
export function planFollowing(facts: FollowingFacts): FollowingPlan {
  const reached = facts.nodes.filter((node) => node.kind === 'reached');
  if (reached.length === 0) {
    const reasons = facts.nodes.map((node) => `${node.name}: ${node.kind === 'missed' ? node.reason : ''}`).join('; ');
    return { kind: 'wait', reason: reasons === '' ? 'the cluster has no nodes' : `no node answers: ${reasons}` };
  }
  const strangers = reached.filter(({ systemid }) => facts.systemid !== undefined && systemid !== facts.systemid);
  const own = reached.filter((node) => !strangers.includes(node));
  const primaries = own.filter(({ isInRecovery }) => !isInRecovery);
  if (primaries.length === 0) return withoutPrimary(facts, own, strangers);
  const ids = new Set(primaries.map(({ systemid }) => systemid));
  const [leader, ...more] = ids.size > 1 ? primaries : leadersOf(primaries);
  if (leader === undefined || more.length > 0 || ids.size > 1) return splitBrain(primaries);
  return lineageProblem(leader, facts) ?? planStream(leader, primaries, facts);
}

function withoutPrimary(
  { nodes, systemid }: FollowingFacts,
  own: readonly ReachedNode[],
  strangers: readonly ReachedNode[],
): RefusedPlan {
  const [stranger] = strangers;
  if (own.length === 0 && stranger !== undefined) {
    return refusal(
      'other-cluster',
      `${stranger.name} is of another cluster: its system identifier is ${stranger.systemid}, that of the catalog is ${systemid ?? ''}`,
      'a new cluster needs a server section and a backup_directory of its own; nothing of it enters this archive',
    );
  }
  const missed = nodes.filter(({ kind }) => kind === 'missed').map(({ name }) => name);
  const down = missed.length === 0 ? '' : `, and ${missed.join(', ')} ${missed.length === 1 ? 'does' : 'do'} not answer`;
  return refusal(
    'no-primary',
    `no node is a primary: ${own.map(({ name }) => name).join(', ')} ${own.length === 1 ? 'is' : 'are'} in recovery${down}`,
    'promote a standby or start the primary; WAL is streamed again as soon as a node is not in recovery',
  );
}

/** Those primaries whose history has the timelines of all others: the others were left behind. */
function leadersOf(primaries: readonly ReachedNode[]): readonly ReachedNode[] {
  return primaries.filter((node) => primaries.every((other) => other === node || leavesBehind(node, other)));
}

function leavesBehind({ history }: ReachedNode, { timeline }: ReachedNode): boolean {
  return history.some((past) => past.timeline === timeline);
}

function splitBrain(primaries: readonly ReachedNode[]): RefusedPlan {
  const claims = primaries.map(({ name, timeline }) => `${name} on timeline ${String(timeline)}`).join(', ');
  return refusal(
    'split-brain',
    `several nodes are primaries, and none of them has the timelines of the others in its history: ${claims}`,
    'stop all but the one that the applications are to use, and rebuild the others from it (pg_rewind, or a new clone)',
  );
}

function refusal(name: RefusalName, reason: string, remedy: string): RefusedPlan {
  return { kind: 'refuse', name, reason, remedy };
}

/** Why the WAL of a primary does not go on what we hold. */
function lineageProblem(node: ReachedNode, { held, remembered }: FollowingFacts): RefusedPlan | undefined {
  if (held === undefined) return undefined;
  const { history, timeline, name } = node;
  const heldTimeline = timelineOf(held.newest.segment);
  const fork = history.find((past) => past.timeline === heldTimeline);
  const isOfHistory = heldTimeline === timeline || fork !== undefined;
  if (!isOfHistory) {
    const left = held.history?.find((past) => past.timeline === timeline);
    const how =
      left === undefined
        ? `does not have timeline ${String(heldTimeline)}, the last one of the catalog, in its history`
        : `is still on a timeline that was left at ${formatLsn(left.switchLsn)} for timeline ${String(heldTimeline)}, the last one of the catalog`;
    return notDescendant(`${name} (timeline ${String(timeline)}) ${how}`, left !== undefined);
  }
  const other = held.history === undefined ? undefined : firstDifference(held.history, history);
  if (other !== undefined) {
    return notDescendant(
      `${name} left timeline ${String(other.timeline)} at ${other.there}, and the catalog says ${other.here}: its timeline ${String(heldTimeline)} is another one`,
      false,
    );
  }
  if (fork === undefined || held.end <= fork.switchLsn) return undefined;
  const seen = remembered.nodes.find((each) => isSameNode(each, node));
  const wasBeyond = seen?.timeline === heldTimeline && seen.position !== undefined && seen.position > fork.switchLsn;
  if (!wasBeyond || history.at(-1)?.timeline !== heldTimeline) return undefined;
  return refusal(
    'past-fork',
    `${name} was set back: its timeline ${String(timeline)} begins at ${formatLsn(fork.switchLsn)}, though it had reached ${formatLsn(seen.position)} of timeline ${String(heldTimeline)}; the catalog has WAL up to ${formatLsn(held.end)}`,
    'a recovery in place does this. If that was intended, run receive-wal --reset SERVER and take a backup; the archived WAL stays',
  );
}

function notDescendant(reason: string, isStale: boolean): RefusedPlan {
  const remedy = isStale
    ? 'start the node that was promoted, and rebuild this one from it; to give up what is newer, take a new server section'
    : 'no WAL of this node continues the archived WAL: rebuild it from the right primary, or take a new server section for it';
  return refusal('not-descendant', reason, remedy);
}

interface HistoryDifference {
  readonly timeline: number;
  readonly here: string;
  readonly there: string;
}

function firstDifference(ours: readonly TimelineSwitch[], theirs: readonly TimelineSwitch[]): HistoryDifference | undefined {
  for (const [at, { timeline, switchLsn }] of ours.entries()) {
    const other = theirs[at];
    if (other?.timeline === timeline && other.switchLsn === switchLsn) continue;
    const there = other === undefined ? 'nowhere' : formatLsn(other.switchLsn);
    return { timeline: other?.timeline ?? timeline, here: formatLsn(switchLsn), there };
  }
  return undefined;
}

function planStream(node: ReachedNode, primaries: readonly ReachedNode[], facts: FollowingFacts): FollowingPlan {
  const { held, remembered, slot: wanted } = facts;
  const isSame = remembered.followed !== undefined && isSameNode(remembered.followed, node);
  const slot = wanted === undefined ? undefined : node.slots.find(({ name }) => name === wanted.name);
  const diagnosis = diagnose(node, slot, facts);
  if (diagnosis.kind === 'ahead') return aheadOf(node, diagnosis);
  const isSlotLost = diagnosis.kind === 'stuck' && diagnosis.why.kind === 'slot-lost';
  const isOther = remembered.followed !== undefined && !isSame;
  const mayRemake = isOther || (isSame && !hasGoneOn(remembered));
  if (isSlotLost && !mayRemake) {
    return refusal('slot-lost', `${node.name}: ${describeStuckReceiver(diagnosis)}`, stepsFor('slot-lost'));
  }
  if (wanted !== undefined && slot === undefined && !wanted.isCreatedAlone && !isOther) {
    return refusal('slot-missing', `${node.name} has no replication slot '${wanted.name}'`, stepsFor('slot-missing'));
  }
  const missing = diagnosis.kind === 'stuck' ? missingFor(node, diagnosis, facts) : [];
  const gone = missing.filter(({ from }) => from === undefined);
  if (diagnosis.kind === 'stuck' && gone.length > 0 && !mayRemake && facts.isStreamed) {
    return refusal('wal-gone', `${node.name}: ${describeStuckReceiver(diagnosis)}`, stepsFor('wal-gone'));
  }
  const timeline = held === undefined ? node.timeline : timelineOf(held.newest.segment);
  const fork = node.history.find((past) => past.timeline === timeline);
  const next = fork === undefined ? undefined : node.history[node.history.indexOf(fork) + 1];
  const from = beginOf(node, slot, diagnosis, held);
  return {
    kind: isSame && timeline === node.timeline ? 'stay' : 'follow',
    node,
    timeline: node.timeline,
    from,
    restart: restartOf(diagnosis, { from, fork, held, node }),
    fork: fork && { timeline, at: fork.switchLsn, next: next?.timeline ?? node.timeline },
    pastFork: fork === undefined || held === undefined || held.end <= fork.switchLsn ? 0n : held.end - fork.switchLsn,
    slot: wanted === undefined ? 'none' : slot === undefined ? 'create' : isSlotLost ? 'recreate' : 'keep',
    missing,
    mayLeaveHole: mayRemake,
    stale: primaries.filter((other) => other !== node),
  };
}

/** Whether WAL came from the followed node already: until then a new primary may remove what the stream was to begin with. */
function hasGoneOn({ followed, streamedUntil }: FollowingFacts['remembered']): boolean {
  return followed !== undefined && streamedUntil !== undefined && streamedUntil > followed.since;
}

interface Beginning {
  readonly from: Lsn;
  readonly fork: TimelineSwitch | undefined;
  readonly held: HeldWal | undefined;
  readonly node: ReachedNode;
}

/**
 * With an empty folder the receiver would begin elsewhere. In the segment of the fork it begins the file of the next timeline: that of the
 * timeline that was left is archived as it is, and the two can be compared.
 */
function restartOf(diagnosis: ReceiverDiagnosis, { from, fork, held, node }: Beginning): SegmentName | undefined {
  if (diagnosis.kind === 'stuck') return diagnosis.restart;
  if (held === undefined) return undefined;
  const first = segmentHolding(from, node);
  const isOfNext = fork !== undefined && timelineOf(first) !== fork.timeline;
  return held.newest.isArchived || isOfNext ? first : undefined;
}

function diagnose(node: ReachedNode, slot: NodeSlot | undefined, { held, isArchived }: FollowingFacts): ReceiverDiagnosis {
  const { segmentSize, timeline, history, kept, flushed } = node;
  if (flushed === undefined) return { kind: 'goes-on' };
  const judged = slot === undefined ? undefined : { ...slot, isLost: slot.walStatus === 'lost' };
  return diagnoseReceiver({
    segmentSize,
    newest: held?.newest,
    timeline,
    position: flushed,
    history,
    kept,
    isArchived,
    slot: judged,
  });
}

function aheadOf({ name }: ReachedNode, ahead: Extract<ReceiverDiagnosis, { kind: 'ahead' }>): RefusedPlan {
  return refusal(
    'ahead',
    `the catalog has WAL up to ${formatLsn(ahead.streamedTo)} of timeline ${String(ahead.timeline)}, and ${name} has only written up to ${formatLsn(ahead.position)}`,
    'its WAL was set back (pg_resetwal, an old copy of its disk): compare it with the other nodes before anything else',
  );
}

function stepsFor(name: 'slot-lost' | 'slot-missing' | 'wal-gone'): string {
  switch (name) {
    case 'slot-lost':
      return 'run receive-wal --drop-slot, --create-slot and --reset for the server, and take a backup when WAL was lost';
    case 'slot-missing':
      return 'run receive-wal --create-slot for the server, or set create_slot = auto';
    case 'wal-gone':
      return 'no node has that WAL any more: run receive-wal --reset for the server, and take a backup';
  }
}

function missingFor(
  node: ReachedNode,
  { lost }: Extract<ReceiverDiagnosis, { kind: 'stuck' }>,
  { nodes, isArchived, stopped = [] }: FollowingFacts,
): readonly MissingSegment[] {
  if (lost === undefined) return [];
  const others = nodes.filter((other) => !isSameNode(other, node));
  return segmentsOfGap(lost, node)
    .filter((segment) => !isArchived(segment))
    .map((segment) => whoHas(segment, others, stopped));
}

/** A segment with the node that it can be had from: best one that runs. */
export function whoHas(
  segment: SegmentName,
  nodes: readonly ObservedNode[],
  stopped: readonly StoppedNode[] = [],
): MissingSegment {
  const running = nodes.find((node): node is ReachedNode => node.kind === 'reached' && hasWhole(node, segment));
  const files = running === undefined ? stopped.find((node) => node.files.has(segment)) : undefined;
  return { segment, from: running ?? files, walFolder: files?.walFolder };
}

/** Whether a plan lacks WAL that a node which does not answer may have. */
export function lacksWal(plan: FollowingPlan): boolean {
  if (plan.kind === 'refuse') return plan.name === 'wal-gone';
  return plan.kind !== 'wait' && plan.missing.some(({ from }) => from === undefined);
}

/** Whether a node has all of a segment: it may be writing the last one. */
function hasWhole({ kept, flushed, replayed, segmentSize, isInRecovery }: ReachedNode, segment: SegmentName): boolean {
  if (kept?.has(segment) !== true) return false;
  const end = segmentStart(nextSegment(segment, segmentSize), segmentSize);
  const reached = isInRecovery ? (replayed ?? flushed) : flushed;
  return reached === undefined || reached >= end;
}

function beginOf(
  { segmentSize, timeline, flushed }: ReachedNode,
  slot: NodeSlot | undefined,
  diagnosis: ReceiverDiagnosis,
  held: HeldWal | undefined,
): Lsn {
  const start = (name: SegmentName): Lsn => segmentStart(name, segmentSize);
  if (diagnosis.kind === 'stuck') return start(diagnosis.restart);
  if (held !== undefined)
    return start(held.newest.isPartial ? held.newest.segment : nextSegment(held.newest.segment, segmentSize));
  const position = slot?.restartLsn ?? flushed ?? (0n as Lsn); // the first position there is
  return start(segmentAtLsn(position, timeline, segmentSize).name);
}
