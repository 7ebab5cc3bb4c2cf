import { join } from 'node:path';
import { realignStreamingFolder, receiveWal } from '../../archive/receive-wal.ts';
import { readKnownCluster } from '../../catalog/known-cluster.ts';
import { noteReceiverFailure } from '../../catalog/receiver-failure.ts';
import { serverLockPath } from '../../catalog/server-layout.ts';
import { hasArrived, listStreamed } from '../../catalog/wal/list-streamed.ts';
import { walNodesOf } from '../../config/nodes-of-server.ts';
import type { Server } from '../../config/server.ts';
import { walConnections } from '../../config/wal-connections.ts';
import { storageOf } from '../../encryption/stored-wal.ts';
import { shortAnswerMs } from '../../postgres/answering-within.ts';
import type { Connection } from '../../postgres/connect.ts';
import { mayWaitFor } from '../../postgres/may-wait-for.ts';
import { parseStandbyNames } from '../../postgres/parse-standby-names.ts';
import {
  createSlot,
  dropSlot,
  identifySystem,
  readTimelineHistory,
  type StreamIdentity,
} from '../../postgres/replication-commands.ts';
import type { ServerNodes } from '../../postgres/server-nodes.ts';
import {
  type ReplicationSlot,
  readKeptSegments,
  readPrivileges,
  readReplicationSlot,
  readSegmentSize,
  readServerVersion,
  readSetting,
} from '../../postgres/server-queries.ts';
import type { Context } from '../../shared/context.ts';
import { isLockHeld, readLockOwner, tryLockFile } from '../../shared/file-lock.ts';
import { silentMessages } from '../../shared/messages.ts';
import { expectedFailureOf, messageOf, OperatorError } from '../../shared/operator-error.ts';
import {
  describeLoss,
  describeStuckReceiver,
  diagnoseReceiver,
  type ReceiverDiagnosis,
  type StuckReceiver,
} from '../../wal/diagnose-receiver.ts';
import type { TimelineSwitch } from '../../wal/timeline-history.ts';
import { type SegmentName, segmentAtLsn } from '../../wal/wal-name.ts';
import { archiveWal } from './archive-wal.ts';
import { stopIdleReceiverUnit, stopReceiverProcess } from './receiver-unit.ts';

/** What a server says before WAL is received from it. */
interface Preflight {
  readonly serverVersion: number;
  readonly segmentSize: number;
  readonly identity: StreamIdentity;
  readonly history: readonly TimelineSwitch[];
  readonly kept: ReadonlySet<string> | undefined;
  readonly slot: ReplicationSlot | undefined;
  readonly isSynchronous: boolean;
}

/**
 * Receives WAL until told to stop (docs/reference/cli.md section 10.2).
 * @throws OperatorError when the server is not fit for it, the slot is missing or in use, or another receiver runs
 */
export async function runReceiver(server: Server, context: Context): Promise<void> {
  const nodes = requireStreaming(server);
  await using lock = await takeReceiveLock(server);
  const startedMs = context.clock.elapsedMs();
  try {
    await receive(server, nodes, context);
  } catch (error) {
    const failure = expectedFailureOf(error);
    if (failure === undefined) throw error;
    if (!context.signal.aborted) await noteEnd(server, failure, context.clock.elapsedMs() - startedMs, context);
    throw error;
  }
  await noteReceiverFailure(server.layout, undefined);
  context.messages.info(`SIGINT received. Terminate gracefully.`);
  await lock.release();
}

async function noteEnd({ layout }: Server, failure: OperatorError, ranMs: number, { clock }: Context): Promise<void> {
  await noteReceiverFailure(layout, { at: clock.now(), ranMs: Math.round(ranMs), reason: oneLine(failure) });
}

async function receive(server: Server, nodes: ServerNodes, context: Context): Promise<void> {
  const facts = await preflight(server, nodes, context);
  await ensureSlot(server, { facts, nodes }, context);
  context.messages.info(`Starting receive-wal for server ${server.config.name}`);
  const { serverVersion, segmentSize, isSynchronous } = facts;
  const stuck = await findStuck(server, facts); // whether it can go on is for the program and the server to say: it is tried all the same
  await using connection = await nodes.program(server.config.options.streaming_archiver_name, context.signal);
  const forgetting = forgetFailureWhenRunning(server, context);
  try {
    const { systemid } = facts.identity;
    await receiveWal({ server, connection, serverVersion, segmentSize, isSynchronous, systemid }, context);
  } catch (error) {
    if (stuck === undefined || expectedFailureOf(error)?.code !== 'receiver-failed') throw error;
    throw stuckError(stuck, server, error);
  } finally {
    forgetting[Symbol.dispose]();
  }
}

/** For `pg_receivewal` to find out that it cannot go on. */
const getsGoingMs = 2000;

/** A receiver that got going has no failure to tell any more; disposed, it is left as it is. */
function forgetFailureWhenRunning({ layout }: Server, { clock, log }: Context): Disposable {
  const ended = new AbortController();
  const forget = async (): Promise<void> => {
    await clock.sleep(getsGoingMs, ended.signal);
    await noteReceiverFailure(layout, undefined);
  };
  forget().catch((error: unknown) => {
    if (!ended.signal.aborted) log.debug(`the note of the last failure stays: ${messageOf(error)}`);
  });
  return { [Symbol.dispose]: () => ended.abort() };
}

/**
 * Why nothing arrives by streaming, and will not by itself.
 * @returns undefined while a receiver runs, when one could go on, and when the server cannot be asked
 */
export async function whyNothingIsReceived(server: Server, context: Context): Promise<OperatorError | undefined> {
  const { options } = server.config;
  if (!options.streaming_archiver || (await isLockHeld(serverLockPath(server.layout, 'receive-wal')))) return undefined;
  try {
    const facts = await preflight(server, walNodesOf(server), { ...context, messages: silentMessages });
    const stuck = await findStuck(server, facts);
    return stuck === undefined ? undefined : stuckError(stuck, server);
  } catch (error) {
    if (expectedFailureOf(error) === undefined || context.signal.aborted) throw error;
    return undefined;
  }
}

function stuckError(stuck: StuckReceiver, server: Server, cause?: unknown): OperatorError {
  return new OperatorError('receiver-failed', `the receiver cannot go on: ${describeStuckReceiver(stuck)}`, {
    hint: `${stepsOf(stuck, server)}; ${describeLoss(stuck)}`,
    cause,
  });
}

async function findStuck(server: Server, facts: Preflight): Promise<StuckReceiver | undefined> {
  const diagnosis = await diagnose(server, facts);
  return diagnosis.kind === 'stuck' ? diagnosis : undefined;
}

async function diagnose(server: Server, facts: Preflight): Promise<ReceiverDiagnosis> {
  const { segmentSize, identity, history, kept, slot } = facts;
  const { position, timeline } = identity;
  if (position === undefined) return { kind: 'goes-on' };
  const newest = (await listStreamed(server.layout, segmentSize)).at(-1);
  const judgedSlot = slot === undefined ? undefined : { ...slot, isLost: slot.walStatus === 'lost' };
  const isArchived = (segment: SegmentName): boolean => hasArrived(server.layout, segment);
  return diagnoseReceiver({ segmentSize, newest, timeline, position, history, kept, isArchived, slot: judgedSlot });
}

/** What gets a stuck receiver going again. */
function stepsOf({ why }: StuckReceiver, { config: { name } }: Server): string {
  const verbs = why.kind === 'slot-lost' ? ['--drop-slot', '--create-slot', '--reset'] : ['--reset'];
  return `run ${verbs.map((verb) => `receive-wal ${verb} ${name}`).join(', ')}`;
}

function oneLine({ message, hint }: OperatorError): string {
  return `${message}${hint === undefined || hint === '' ? '' : ` (${hint})`}`.replaceAll(/\s+/g, ' ');
}

/**
 * Makes the streaming folder begin where the server can go on: `--reset`. A receiver that cannot go on begins again at the oldest segment that
 * it lacks and the server has; one that could is moved to where the slot or the server stands. What was streamed is archived or kept aside.
 */
export async function resetReceiver(server: Server, context: Context): Promise<void> {
  const nodes = requireStreaming(server);
  await using lock = await takeReceiveLock(server);
  context.messages.info(`Resetting receive-wal directory status`);
  const facts = await preflight(server, nodes, context);
  const { identity, slot, segmentSize } = facts;
  const stuck = await findStuck(server, facts);
  const position = slot?.restartLsn ?? identity.position;
  if (position === undefined)
    throw new OperatorError('receiver-failed', `server ${server.config.name} does not say from where it can send WAL`);
  const restart = stuck?.restart ?? segmentAtLsn(position, identity.timeline, segmentSize).name;
  const outcome = await realignStreamingFolder(server.layout, {
    restart,
    segmentSize,
    isHistoryLeft: stuck?.why.kind === 'history-left',
    archive: async () => await archivePatiently(server, context),
  });
  if (outcome.kind === 'nothing-to-do') context.messages.info('Nothing to do. Position of receive-wal is aligned.');
  else {
    if (outcome.removed !== undefined) context.messages.info(`Removing status file ${outcome.removed}`);
    context.messages.info(`Creating status file ${outcome.created}`);
    for (const path of outcome.aside) context.messages.info(`Kept as ${join(server.layout.streaming, path)}`);
  }
  if (stuck?.lost !== undefined) context.messages.warning(describeLoss(stuck));
  await noteReceiverFailure(server.layout, undefined);
  await lock.release();
}

/** For another run of archive-wal to end. */
const archivePatienceMs = 30_000;
const archiveAgainMs = 200;

/** What cannot be archived is kept aside by the caller. */
async function archivePatiently(server: Server, context: Context): Promise<void> {
  const deadlineMs = context.clock.elapsedMs() + archivePatienceMs;
  try {
    while ((await archiveWal(server, { isQuiet: true }, context)) === 'busy') {
      if (context.clock.elapsedMs() > deadlineMs) {
        throw new OperatorError('lock-busy', `archive-wal is busy with server ${server.config.name}`, {
          hint: 'try again when it has ended; nothing was moved yet',
        });
      }
      await context.clock.sleep(archiveAgainMs, context.signal);
    }
  } catch (error) {
    const failure = expectedFailureOf(error);
    if (failure === undefined || failure.code === 'lock-busy' || context.signal.aborted) throw error;
    context.messages.warning(failure.message);
  }
}

/** Stops the receiver of a server: `--stop`, deprecated since Barman 3.17 (docs/reference/since-3.17.md section 3). */
export async function stopReceiver(server: Server, context: Context): Promise<void> {
  const pid = await readLockOwner(serverLockPath(server.layout, 'receive-wal'));
  if (pid === undefined) {
    if (await stopIdleReceiverUnit(server)) return;
    throw new OperatorError(
      'receiver-failed',
      `Termination of receive-wal failed: no such process for server ${server.config.name}`,
    );
  }
  context.messages.warning(
    `receive-wal --stop is deprecated: use 'terminate-process ${server.config.name} receive-wal' instead`,
  );
  if ((await stopReceiverProcess(server, pid, context.clock)) === 'survived') {
    throw new OperatorError('receiver-failed', `Cannot terminate process receive-wal(${String(pid)})`, {
      hint: `it ignores SIGINT: look at it with ps -fp ${String(pid)}`,
    });
  }
  context.messages.info(`Stopped process receive-wal(${String(pid)})`);
}

/** Creates the slot of a server: `--create-slot`; one that exists is an error unless that was allowed for. */
export async function createServerSlot(
  server: Server,
  { mayExist }: { readonly mayExist: boolean },
  context: Context,
): Promise<void> {
  await createOn(requireNodes(server), { server, mayExist }, context);
}

async function createOn(
  nodes: ServerNodes,
  { server, mayExist }: { readonly server: Server; readonly mayExist: boolean },
  context: Context,
): Promise<void> {
  const name = requireSlotName(server);
  context.messages.info(`Creating physical replication slot '${name}' on server '${server.config.name}'`);
  await using connection = await nodes.replication('barman', context.signal);
  const outcome = await createSlot(connection, name);
  if (outcome === 'created') context.messages.info(`Replication slot '${name}' created`);
  else if (mayExist) context.messages.info(`Replication slot '${name}' already exists`);
  else
    throw new OperatorError('receiver-failed', `Replication slot '${name}' already exists`, {
      hint: 'with --if-not-exists that is no error',
    });
}

/** Drops the slot of a server: `--drop-slot`. */
export async function dropServerSlot(server: Server, context: Context): Promise<void> {
  const name = requireSlotName(server);
  context.messages.info(`Dropping physical replication slot '${name}' on server '${server.config.name}'`);
  await using connection = await requireNodes(server).replication('barman', context.signal);
  switch (await dropSlot(connection, name)) {
    case 'dropped':
      context.messages.info(`Replication slot '${name}' dropped`);
      return;
    case 'missing':
      throw new OperatorError('receiver-failed', `Replication slot '${name}' does not exist`);
    case 'in-use':
      throw new OperatorError(
        'receiver-failed',
        `Cannot drop replication slot '${name}' on server '${server.config.name}' because it is in use`,
        {
          hint: `stop the receiver first: terminate-process ${server.config.name} receive-wal`,
        },
      );
  }
}

function requireStreaming(server: Server): ServerNodes {
  if (server.config.isPassive) {
    throw new OperatorError(
      'configuration-invalid',
      `server ${server.config.name} is passive: it copies WAL from its primary backup host`,
    );
  }
  if (!server.config.options.streaming_archiver) {
    throw new OperatorError(
      'configuration-invalid',
      "Unable to start receive-wal process: streaming_archiver option set to 'off' in barman configuration file",
    );
  }
  return requireNodes(server);
}

function requireNodes(server: Server): ServerNodes {
  const { streamingConninfo } = walConnections(server.config.options);
  if (streamingConninfo !== undefined) return walNodesOf(server);
  throw new OperatorError('configuration-invalid', `server ${server.config.name} has no streaming_conninfo`);
}

function requireSlotName(server: Server): string {
  const { slot_name: name } = server.config.options;
  if (name !== undefined) return name;
  throw new OperatorError(
    'configuration-invalid',
    `Replication slot configuration is missing: server ${server.config.name} has no slot_name`,
  );
}

async function takeReceiveLock(server: Server) {
  const lock = await tryLockFile(serverLockPath(server.layout, 'receive-wal'));
  if (lock !== undefined) return lock;
  throw new OperatorError('lock-busy', `A receive-wal process is already running for server ${server.config.name}`);
}

/** The silent checks: monitoring privileges, streaming, wal_level, and that it is the same cluster (docs/reference/engine.md section 9.2). */
async function preflight(server: Server, nodes: ServerNodes, context: Context): Promise<Preflight> {
  const { options, name } = server.config;
  const connections = walConnections(options);
  if (connections.overriddenBy.length > 0) {
    context.messages.info(`WAL of server ${name} is received through ${connections.overriddenBy.join(' and ')}`);
  }
  await using connection = await nodes.queries(context.signal, shortAnswerMs);
  const { number: serverVersion } = await readServerVersion(connection);
  const refuse = (reason: string, hint: string): never => {
    throw new OperatorError('receiver-failed', `Impossible to start WAL streaming of server ${name}: ${reason}`, { hint });
  };
  if (!(await readPrivileges(connection, serverVersion)).canMonitor)
    refuse('its role may not monitor', 'grant pg_monitor, or pg_read_all_settings and pg_read_all_stats');
  if ((await readSetting(connection, 'wal_level')) === 'minimal')
    refuse('wal_level is minimal', 'set wal_level = replica and restart PostgreSQL');
  const { identity, history, difference } = await identify(nodes, connection, context);
  if (difference?.isOtherCluster === true) refuse(difference.reason, 'give both the same host and port');
  const stored = await readKnownCluster(server.layout, storageOf(server));
  if (stored !== undefined && stored.systemid !== identity.systemid) {
    refuse(
      `it is another cluster (${identity.systemid}) than the one in the catalog (${stored.systemid})`,
      'a new cluster needs a new server section and folder',
    );
  }
  if (difference !== undefined) {
    context.messages.warning(
      `${difference.reason}: WAL is received from the second, and its slot and settings are looked for on the first; give both the same host and port`,
    );
  }
  const synchronous = (await readSetting(connection, 'synchronous_standby_names')) ?? '';
  return {
    serverVersion,
    segmentSize: await readSegmentSize(connection),
    identity,
    history,
    kept: await readKeptSegments(connection),
    slot: options.slot_name === undefined ? undefined : await readReplicationSlot(connection, options.slot_name),
    isSynchronous: mayWaitFor(options.streaming_archiver_name, parseStandbyNames(synchronous)),
  };
}

async function identify(nodes: ServerNodes, connection: Connection, { signal }: Context) {
  const marked = await nodes.marked(signal);
  await using stream = marked.stream;
  const difference = await nodes.difference(connection, marked);
  const identity = await identifySystem(stream);
  return { identity, history: await readTimelineHistory(stream, identity.timeline), difference };
}

interface SlotParts {
  readonly facts: Preflight;
  readonly nodes: ServerNodes;
}

async function ensureSlot(server: Server, { facts: { slot }, nodes }: SlotParts, context: Context): Promise<void> {
  const { slot_name: name, create_slot: creation } = server.config.options;
  if (name === undefined) return;
  if (slot?.isActive === true) {
    throw new OperatorError('receiver-failed', `replication slot '${name}' is already in use`, {
      hint: 'another receiver streams from it: each needs a slot of its own',
    });
  }
  if (slot !== undefined) return;
  if (creation === 'auto') {
    await createOn(nodes, { server, mayExist: true }, context);
    return;
  }
  throw new OperatorError('receiver-failed', `replication slot '${name}' doesn't exist`, {
    hint: `run receive-wal --create-slot ${server.config.name}, or set create_slot = auto`,
  });
}
