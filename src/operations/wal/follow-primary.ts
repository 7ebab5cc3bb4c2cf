import { join } from 'node:path';
import { keepPartialCopy, realignStreamingFolder } from '../../archive/run-pg-receivewal.ts';
import { noteReceiverFailure } from '../../catalog/receiver-failure.ts';
import type { ReachedNode } from '../../cluster/cluster-node.ts';
import { isSameNode } from '../../cluster/cluster-node.ts';
import { type ClusterView, lookAtCluster } from '../../cluster/look-at-cluster.ts';
import type { FollowingPlan, StreamPlan } from '../../cluster/plan-following.ts';
import { readRememberedCluster, rememberCluster } from '../../cluster/remembered-cluster.ts';
import { addGone, addSwitch, lostBytesOf, type RepeatedWal, type SwitchRecord } from '../../cluster/switch-records.ts';
import { tidySlots } from '../../cluster/tidy-slots.ts';
import { walNodesOf } from '../../config/nodes-of-server.ts';
import type { Server } from '../../config/server.ts';
import { createSlot, dropSlot } from '../../postgres/replication-commands.ts';
import type { Context } from '../../shared/context.ts';
import { expectedFailureOf, messageOf, OperatorError } from '../../shared/operator-error.ts';
import { formatLsn, type Lsn } from '../../wal/lsn.ts';
import { type SegmentName, segmentName, segmentParts, segmentStart, timelineOf } from '../../wal/wal-name.ts';
import { fetchMissingWal } from './fetch-missing-wal.ts';
import { archivePatiently, receiveOnce } from './receive-once.ts';
import { SwitchSettler, warnOfSwitchLoss } from './settle-switches.ts';

/** How often the cluster is looked at while WAL is streamed. */
const looksEveryMs = 5000;
/** Between two looks while nobody can be streamed from: a failover takes some seconds. */
const waitsMs = 1000;
/** After that `cron` starts the next receiver, and tells why this one ended. */
const patienceMs = 60_000;
/** A receiver that ends sooner did not get going. */
const gotGoingMs = 5000;
const mostQuickEnds = 5;
/** By then a server has refused WAL that it no longer has. */
const firstRefusalMs = 2000;

/** Refusals that pass by themselves during a failover. */
const passing: ReadonlySet<string> = new Set(['no-primary', 'split-brain', 'not-descendant']);

/**
 * Receives WAL of a cluster from whichever node is its primary, until told to stop: runs the receiver, looks at the nodes meanwhile, and goes on
 * at the new primary when there is one. The caller holds the receive-wal lock.
 * @throws OperatorError `receiver-failed` when no node can be streamed from for a minute, or not at all
 */
export async function followPrimary(server: Server, context: Context): Promise<void> {
  await new PrimaryFollower(server, context).run();
}

class PrimaryFollower {
  readonly #server: Server;
  readonly #context: Context;
  readonly #settler: SwitchSettler;
  #hasStreamed = false;
  #waitsSinceMs: number | undefined;
  #told = '';
  #quickEnds = 0;

  constructor(server: Server, context: Context) {
    this.#server = server;
    this.#context = context;
    this.#settler = new SwitchSettler(server);
  }

  async run(): Promise<void> {
    const { signal } = this.#context;
    while (!signal.aborted) {
      try {
        const view = await lookAtCluster(this.#server, this.#context);
        const { plan } = view;
        if (plan.kind === 'wait' || plan.kind === 'refuse') await this.#wait(view, plan);
        else await this.#stream(view, plan);
      } catch (error) {
        this.#throwUnlessStopped(error);
      }
    }
  }

  #throwUnlessStopped(error: unknown): void {
    if (!this.#context.signal.aborted) throw error;
  }

  async #wait({ after }: ClusterView, plan: Exclude<FollowingPlan, StreamPlan>): Promise<void> {
    const { clock, messages, signal } = this.#context;
    await rememberCluster(this.#server.layout, after);
    const isPassing = plan.kind === 'wait' || (passing.has(plan.name) && (this.#hasStreamed || plan.name === 'no-primary'));
    const now = clock.elapsedMs();
    this.#waitsSinceMs ??= now;
    if (!isPassing || now - this.#waitsSinceMs > patienceMs) throw endOf(plan);
    const reason = plan.kind === 'wait' ? plan.reason : `${plan.name}: ${plan.reason}`;
    if (reason !== this.#told) messages.warning(`no WAL is streamed: ${reason}`);
    this.#told = reason;
    await clock.sleep(waitsMs, signal);
  }

  async #stream(view: ClusterView, plan: StreamPlan): Promise<void> {
    const { context } = this;
    const pinned: Server = { ...this.#server, node: { entry: plan.node.entry, isOnly: true } };
    await this.#prepare(pinned, view, plan);
    this.#waitsSinceMs = undefined;
    this.#told = '';
    this.#hasStreamed = true;
    const leave = new AbortController();
    const ended = new AbortController();
    const startedMs = context.clock.elapsedMs();
    const watching = this.#watch(plan.node, leave, AbortSignal.any([context.signal, ended.signal]));
    let failure: unknown;
    try {
      await receiveOnce(pinned, walNodesOf(pinned), {
        ...context,
        signal: AbortSignal.any([context.signal, leave.signal]),
      });
    } catch (error) {
      failure = error;
    }
    const ranMs = context.clock.elapsedMs() - startedMs;
    ended.abort();
    await watching;
    if (ranMs > firstRefusalMs) await this.#noteStreamed();
    if (failure !== undefined && !leave.signal.aborted) await this.#afterEnd(failure, ranMs);
  }

  get context(): Context {
    return this.#context;
  }

  /** The receiver ended by itself: its server may be gone, or it cannot go on, which the next look tells. */
  async #afterEnd(error: unknown, ranMs: number): Promise<void> {
    const { clock, messages, signal } = this.#context;
    const failure = expectedFailureOf(error);
    if (failure === undefined || signal.aborted) throw error;
    this.#quickEnds = ranMs < gotGoingMs ? this.#quickEnds + 1 : 0;
    if (this.#quickEnds >= mostQuickEnds) throw failure;
    messages.warning(`${failure.message}${failure.hint === undefined ? '' : ` (${failure.hint})`}`);
    await clock.sleep(waitsMs * Math.max(1, this.#quickEnds), signal);
  }

  /** Everything that has to be before the receiver starts on a node; each step may be done twice. */
  async #prepare(pinned: Server, view: ClusterView, plan: StreamPlan): Promise<void> {
    const { messages, log, clock } = this.#context;
    const { before, after, held } = view;
    const isSwitch = plan.kind === 'follow' && before.followed !== undefined;
    const words = `${plan.node.name}, from ${formatLsn(plan.from)} on timeline ${String(plan.timeline)}`;
    const isNew = before.followed === undefined || !isSameNode(before.followed, plan.node);
    if (isNew) this.#quickEnds = 0; // that it ended sooner on another node says nothing of this one
    if (isSwitch) messages.info(`The primary has changed: WAL of server ${pinned.config.name} comes from ${words}`);
    else log.info(`WAL of server ${pinned.config.name} comes from ${words}`);
    for (const { name } of plan.stale) {
      messages.warning(`${name} still runs as a primary of a timeline that was left: stop it, and rebuild it as a standby`);
    }
    if (plan.slot === 'create' || plan.slot === 'recreate') await this.#makeSlot(pinned, plan);
    const { missing } = plan;
    const { systemid, segmentSize } = plan.node;
    const fetched = await fetchMissingWal(pinned, { missing, nodes: view.nodes, systemid, segmentSize }, this.#context);
    const gone = missing.filter(({ segment }) => !fetched.includes(segment)).map(({ segment }) => segment);
    if (gone.length > 0 && !plan.mayLeaveHole) throw notFetched(gone);
    const repeated = held === undefined || !isSwitch ? undefined : repeatedBy(plan, held.newest, held.end);
    if (plan.restart !== undefined) await this.#realign(pinned, plan, plan.restart);
    else if (repeated !== undefined) await keepPartialCopy(pinned.layout, repeated.held);
    const isSame = before.followed !== undefined && isSameNode(before.followed, plan.node);
    if (isSame && gone.length > 0 && (await addGone(pinned.layout, plan, gone))) {
      messages.warning(`${plan.node.name} has removed the WAL from ${gone[0] ?? ''} to ${gone.at(-1) ?? ''} meanwhile`);
    } else if (isSwitch || gone.length > 0) {
      const from = before.followed?.name ?? plan.node.name;
      const { timeline, fork } = plan;
      const oldTimeline = held === undefined ? (before.followed?.timeline ?? timeline) : timelineOf(held.newest.segment);
      const lostBytes = Number(lostBytesOf(before, { node: plan.node, fork, held: fork && held?.end }));
      await this.#noteSwitch({
        at: clock.now(),
        from,
        to: plan.node.name,
        oldTimeline,
        newTimeline: timeline,
        fork: fork?.at,
        held: held?.end,
        lostBytes,
        isLossExact: fork === undefined,
        gone,
        fetched: fetched.length,
        secondsWithoutStream: secondsSince(before.streamedUntil, clock.now()),
        repeated,
        continuity: undefined,
        acknowledgedAt: undefined,
      });
    }
    const { followed } = before;
    const isOther = followed === undefined || !isSameNode(followed, plan.node);
    const { entry, name } = plan.node;
    const since = isOther ? clock.now() : followed.since;
    const left = [...after.left, ...(isOther && followed !== undefined ? [followed] : [])];
    await rememberCluster(pinned.layout, {
      ...after,
      left: left.filter((node, at) => !isSameNode(node, plan.node) && left.findIndex((each) => isSameNode(each, node)) === at),
      followed: { entry, name, timeline: plan.timeline, since },
    });
  }

  /** With WAL reserved from the beginning: fetching older WAL first may take a while. */
  async #makeSlot(pinned: Server, { slot, node }: StreamPlan): Promise<void> {
    const { slot_name: name } = pinned.config.options;
    if (name === undefined) return;
    await using connection = await walNodesOf(pinned).replication('barman', this.#context.signal);
    if (slot === 'recreate' && (await dropSlot(connection, name)) === 'in-use') {
      throw new OperatorError('receiver-failed', `the replication slot '${name}' of ${node.name} is in use by somebody else`, {
        hint: 'each receiver needs a slot of its own: give one of them another slot_name',
      });
    }
    if ((await createSlot(connection, name, { reservesWal: true })) === 'created')
      this.#context.messages.info(`Replication slot '${name}' created on ${node.name}`);
  }

  async #realign({ layout }: Server, plan: StreamPlan, restart: SegmentName): Promise<void> {
    const { segmentSize } = plan.node;
    const outcome = await realignStreamingFolder(layout, {
      restart,
      segmentSize,
      isHistoryLeft: plan.fork !== undefined,
      archive: async () => await archivePatiently(this.#server, this.#context),
    });
    if (outcome.kind === 'nothing-to-do') return;
    for (const path of outcome.aside) this.#context.messages.info(`Kept as ${join(layout.streaming, path)}`);
  }

  async #noteSwitch(record: SwitchRecord): Promise<void> {
    await addSwitch(this.#server.layout, record);
    warnOfSwitchLoss(record, this.#context.messages);
  }

  /** Looks at the cluster every few seconds, and makes the receiver leave its node when another one is to be followed. */
  async #watch(node: ReachedNode, leave: AbortController, signal: AbortSignal): Promise<void> {
    const { clock, log, messages } = this.#context;
    const watcher = { ...this.#context, signal };
    try {
      for (;;) {
        await clock.sleep(looksEveryMs, signal);
        const { after, nodes, plan, problem } = await lookAtCluster(this.#server, watcher, { isBrief: true });
        if (problem !== undefined) log.debug(`the nodes of the cluster are those seen last: ${problem}`);
        await rememberCluster(this.#server.layout, { ...after, streamedUntil: clock.now() });
        const now = nodes.find((each) => isSameNode(each, node));
        const isDemoted = now?.kind === 'reached' && now.isInRecovery;
        const isElsewhere = (plan.kind === 'follow' || plan.kind === 'stay') && !isSameNode(plan.node, node);
        if (isDemoted || isElsewhere) {
          messages.info(isElsewhere ? `${plan.node.name} is the primary now` : `${node.name} is no longer a primary`);
          leave.abort();
          return;
        }
        const trouble = plan.kind === 'refuse' ? `${plan.name}: ${plan.reason}` : '';
        if (trouble !== '' && trouble !== this.#told) messages.warning(`the stream from ${node.name} goes on, but ${trouble}`);
        this.#told = trouble;
        if (plan.kind === 'stay') {
          await this.#settler.settle({ nodes, known: after.nodes, segmentSize: node.segmentSize }, watcher);
          await tidySlots(this.#server, { nodes, primary: plan.node }, watcher);
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      log.warning(`the cluster is not watched any more until the receiver ends: ${messageOf(error)}`);
      if (expectedFailureOf(error) === undefined) leave.abort(); // the loop meets it again, and tells it
    }
  }

  async #noteStreamed(): Promise<void> {
    const { layout } = this.#server;
    await noteReceiverFailure(layout, undefined);
    await rememberCluster(layout, { ...readRememberedCluster(layout), streamedUntil: this.#context.clock.now() });
  }
}

/** A hole is left only where a switch leaves no other way. */
function notFetched(gone: readonly SegmentName[]): OperatorError {
  return new OperatorError('receiver-failed', `the WAL from ${gone[0] ?? ''} to ${gone.at(-1) ?? ''} could not be fetched`, {
    hint: 'the next receiver tries again; when no node has it any more, run receive-wal --reset for the server, and take a backup',
  });
}

function endOf(plan: Exclude<FollowingPlan, StreamPlan>): OperatorError {
  if (plan.kind === 'wait') return new OperatorError('receiver-failed', `no WAL is streamed: ${plan.reason}`);
  return new OperatorError('receiver-failed', `no WAL is streamed (${plan.name}): ${plan.reason}`, {
    hint: plan.remedy,
  });
}

function secondsSince(date: Date | undefined, now: Date): number | undefined {
  return date === undefined ? undefined : Math.max(0, Math.round((now.getTime() - date.getTime()) / 1000));
}

/** The segment that we hold a part of, and that comes again from its start. */
function repeatedBy(
  { restart, from, fork, node }: StreamPlan,
  { segment, isPartial }: { readonly segment: SegmentName; readonly isPartial: boolean },
  end: Lsn,
): RepeatedWal | undefined {
  const { segmentSize } = node;
  const start = segmentStart(segment, segmentSize);
  const again = restart ?? segment;
  if (segmentStart(again, segmentSize) !== from || (isPartial && end === start)) return undefined;
  const limit = fork === undefined ? segmentSize : Math.min(segmentSize, Number(fork.at - from));
  if (limit <= 0) return undefined;
  // whole segments past the fork: that of the fork is there under the name of the timeline that was left
  if (from < start && fork !== undefined) return { held: nameOn(fork.timeline, again), again, bytes: limit };
  return isPartial && from === start ? { held: `${segment}.partial`, again, bytes: limit } : undefined;
}

function nameOn(timeline: number, segment: SegmentName): string {
  return segmentName({ ...segmentParts(segment), timeline });
}
