import { runPgReceivewal } from '../../archive/run-pg-receivewal.ts';
import { readKnownCluster } from '../../catalog/identity.ts';
import { noteReceiverFailure } from '../../catalog/receiver-failure.ts';
import { hasArrived, listStreamed } from '../../catalog/wal/list-streamed.ts';
import type { Server } from '../../config/server.ts';
import { walConnections } from '../../config/wal-connections.ts';
import { shortAnswerMs } from '../../postgres/answering-within.ts';
import type { Connection } from '../../postgres/connect.ts';
import { mayWaitFor } from '../../postgres/may-wait-for.ts';
import { parseStandbyNames } from '../../postgres/parse-standby-names.ts';
import { createSlot, identifySystem, readTimelineHistory, type StreamIdentity } from '../../postgres/replication-commands.ts';
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
import { expectedFailureOf, messageOf, OperatorError, reworded } from '../../shared/operator-error.ts';
import type { Worded } from '../../shared/voice.ts';
import {
  describeLoss,
  describeStuckReceiver,
  diagnoseReceiver,
  type ReceiverDiagnosis,
  type StuckReceiver,
} from '../../wal/diagnose-receiver.ts';
import type { TimelineSwitch } from '../../wal/timeline-history.ts';
import type { SegmentName } from '../../wal/wal-name.ts';
import { archiveWal } from './archive-wal.ts';

/** The facts of a server before WAL is received from it. */
export interface Preflight {
  readonly serverVersion: number;
  readonly segmentSize: number;
  readonly identity: StreamIdentity;
  readonly history: readonly TimelineSwitch[];
  readonly kept: ReadonlySet<string> | undefined;
  readonly slot: ReplicationSlot | undefined;
  readonly isSynchronous: boolean;
}

/**
 * Receives WAL from the node that the server's connection strings lead to, until the receiver ends or is told to stop. The caller holds the
 * receive-wal lock.
 * @throws OperatorError when the server is not fit for it, the slot is missing or in use, or the receiver ends by itself
 */
export async function receiveOnce(server: Server, nodes: ServerNodes, context: Context): Promise<void> {
  const facts = await preflight(server, nodes, context);
  await ensureSlot(server, { facts, nodes }, context);
  context.messages.info(`Starting receive-wal for server ${server.config.name}`);
  const { serverVersion, segmentSize, isSynchronous } = facts;
  const stuck = await findStuck(server, facts); // whether it can go on is for the program and the server to say: it is tried all the same
  await using connection = await nodes.program(server.config.options.streaming_archiver_name, context.signal);
  const forgetting = forgetFailureWhenRunning(server, context);
  try {
    const { systemid } = facts.identity;
    await runPgReceivewal({ server, connection, serverVersion, segmentSize, isSynchronous, systemid }, context);
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
    if (!ended.signal.aborted) log.debug(`the note of the last failure cannot be removed: ${messageOf(error)}`);
  });
  return { [Symbol.dispose]: () => ended.abort() };
}

/** A receiver that cannot go on, with what gets it going again. */
export function stuckError(stuck: StuckReceiver, server: Server, cause?: unknown): OperatorError {
  return new OperatorError('receiver-failed', `the receiver cannot continue: ${describeStuckReceiver(stuck)}`, {
    hint: `${stepsOf(stuck, server)}; ${describeLoss(stuck)}`,
    cause,
  });
}

/** Why the receiver cannot continue; undefined when it can. */
export async function findStuck(server: Server, facts: Preflight): Promise<StuckReceiver | undefined> {
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

/** The commands that make a stuck receiver continue. */
function stepsOf({ why }: StuckReceiver, { config: { name } }: Server): string {
  const verbs = why.kind === 'slot-lost' ? ['--drop-slot', '--create-slot', '--reset'] : ['--reset'];
  return `run ${verbs.map((verb) => `receive-wal ${verb} ${name}`).join(', ')}`;
}

/** For another run of archive-wal to end. */
const archivePatienceMs = 30_000;
const archiveAgainMs = 200;

/** Archives what waits, after another run of it when there is one; files that cannot be archived are told, and stay. */
export async function archivePatiently(server: Server, context: Context): Promise<void> {
  const deadlineMs = context.clock.elapsedMs() + archivePatienceMs;
  try {
    while ((await archiveWal(server, { isQuiet: true }, context)) === 'busy') {
      if (context.clock.elapsedMs() > deadlineMs) {
        throw new OperatorError('lock-busy', `archive-wal is busy with server ${server.config.name}`, {
          hint: 'try again when it has ended; nothing was moved',
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

/** Creates the server's slot on the node that is asked; one that exists is an error unless that was allowed for. */
export async function createOn(
  nodes: ServerNodes,
  { server, mayExist }: { readonly server: Server; readonly mayExist: boolean },
  context: Context,
): Promise<void> {
  const name = requireSlotName(server);
  await using connection = await reworded(nodes.replication('barman', context.signal), cannotConnect(server));
  context.messages.info(`Creating physical replication slot '${name}' on server '${server.config.name}'`);
  const outcome = await createSlot(connection, name);
  if (outcome === 'created') context.messages.info(`Replication slot '${name}' created`);
  else if (mayExist)
    context.messages.info(`Replication slot '${name}' already exists`, {
      asBarman: `Replication slot '${name}' already exists and --if-not-exists was specified. Skipping creation`,
    });
  else
    throw new OperatorError('receiver-failed', `Replication slot '${name}' already exists`, {
      hint: '--if-not-exists accepts an existing slot',
    });
}

/** @throws OperatorError `configuration-invalid` */
export function requireSlotName(server: Server): string {
  const { slot_name: name } = server.config.options;
  if (name !== undefined) return name;
  throw new OperatorError(
    'configuration-invalid',
    `Replication slot configuration is missing: server ${server.config.name} has no slot_name`,
  );
}

/**
 * The silent checks: monitoring privileges, streaming, wal_level, and that it is the same cluster (docs/reference/engine.md section 9.2).
 * @throws OperatorError `receiver-failed`, `connection-failed` or `query-failed`
 */
export async function preflight(server: Server, nodes: ServerNodes, context: Context): Promise<Preflight> {
  const { options, name } = server.config;
  const connections = walConnections(options);
  if (connections.overriddenBy.length > 0) {
    context.messages.info(`WAL of server ${name} is received through ${connections.overriddenBy.join(' and ')}`);
  }
  await using connection = await reworded(nodes.queries(context.signal, shortAnswerMs), {
    asBarman: `Impossible to start WAL streaming. Check the log for more details, or run 'barman check ${name}'`,
  });
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
  const stored = await readKnownCluster(server);
  if (stored !== undefined && stored.systemid !== identity.systemid) {
    refuse(
      `it belongs to another cluster (${identity.systemid}) than the catalog (${stored.systemid})`,
      'a new cluster needs a new server section and folder',
    );
  }
  if (difference !== undefined) {
    context.messages.warning(
      `${difference.reason}: WAL comes from the second, but the slot and the settings are read from the first; give both the same host and port`,
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
  context.messages.info(`Starting receive-wal for server ${server.config.name}`, { isOnlyBarmans: true, logged: false });
  throw missingSlot(server, name);
}

/** The failure of whatever needs the server's slot. */
export function missingSlot({ config }: Server, slot: string): OperatorError {
  return new OperatorError('receiver-failed', `replication slot '${slot}' doesn't exist`, {
    hint: `run receive-wal --create-slot ${config.name}, or set create_slot = auto`,
    asBarman: `ArchiverFailure:replication slot '${slot}' doesn't exist. Please execute 'barman receive-wal --create-slot ${config.name}'`,
  });
}

/** Barman's text when a slot cannot be managed because its server is out of reach. */
export function cannotConnect({ config: { name } }: Server): Worded {
  return { asBarman: `Cannot connect to server '${name}'` };
}
