import { realignStreamingFolder, receiveWal } from '../archive/receive-wal.ts';
import { readIdentity } from '../catalog/identity.ts';
import { serverLockPath } from '../catalog/server-layout.ts';
import { walNodesOf } from '../config/nodes-of-server.ts';
import type { Server } from '../config/server.ts';
import { walConnections } from '../config/wal-connections.ts';
import { mayWaitFor } from '../postgres/may-wait-for.ts';
import { parseStandbyNames } from '../postgres/parse-standby-names.ts';
import { createSlot, dropSlot, identifySystem, type StreamIdentity } from '../postgres/replication-commands.ts';
import type { ServerNodes } from '../postgres/server-nodes.ts';
import {
  type ReplicationSlot,
  readPrivileges,
  readReplicationSlot,
  readSegmentSize,
  readServerVersion,
  readSetting,
} from '../postgres/server-queries.ts';
import type { Context } from '../shared/context.ts';
import { readLockOwner, tryLockFile } from '../shared/file-lock.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { segmentAtLsn } from '../wal/wal-name.ts';
import { stopIdleReceiverUnit, stopReceiverProcess } from './receiver-unit.ts';

/** What a server says before WAL is received from it. */
interface ReceiverFacts {
  readonly serverVersion: number;
  readonly segmentSize: number;
  readonly identity: StreamIdentity;
  readonly slot: ReplicationSlot | undefined;
  readonly isSynchronous: boolean;
}

/**
 * Receives WAL until told to stop (cli.md section 10.2).
 * @throws OperatorError when the server is not fit for it, the slot is missing or in use, or another receiver runs
 */
export async function runReceiver(server: Server, context: Context): Promise<void> {
  const nodes = requireStreaming(server);
  await using lock = await takeReceiveLock(server);
  const facts = await preflight(server, nodes, context);
  await ensureSlot(server, { facts, nodes }, context);
  context.messages.info(`Starting receive-wal for server ${server.config.name}`);
  const { serverVersion, segmentSize, isSynchronous } = facts;
  await using connection = await nodes.program(server.config.options.streaming_archiver_name, context.signal);
  await receiveWal({ server, connection, serverVersion, segmentSize, isSynchronous }, context);
  context.messages.info(`SIGINT received. Terminate gracefully.`);
  await lock.release();
}

/** Makes the streaming folder begin where the server can go on: `--reset`. */
export async function resetReceiver(server: Server, context: Context): Promise<void> {
  const nodes = requireStreaming(server);
  await using lock = await takeReceiveLock(server);
  context.messages.info(`Resetting receive-wal directory status`);
  const { identity, slot, segmentSize } = await preflight(server, nodes, context);
  const position = slot?.restartLsn ?? identity.position;
  if (position === undefined)
    throw new OperatorError('receiver-failed', `server ${server.config.name} does not say from where it can send WAL`);
  const { name } = segmentAtLsn(position, identity.timeline, segmentSize);
  const outcome = await realignStreamingFolder(server.layout.streaming, name);
  if (outcome.kind === 'nothing-to-do') context.messages.info('Nothing to do. Position of receive-wal is aligned.');
  else {
    if (outcome.removed !== undefined) context.messages.info(`Removing status file ${outcome.removed}`);
    context.messages.info(`Creating status file ${outcome.created}`);
  }
  await lock.release();
}

/** Stops the receiver of a server: `--stop`, deprecated since Barman 3.17 (since-3.17.md section 3). */
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
  await using connection = await nodes.replication();
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
  await using connection = await requireNodes(server).replication();
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

/** The silent checks: monitoring privileges, streaming, wal_level, and that it is the same cluster (engine.md section 9.2). */
async function preflight(server: Server, nodes: ServerNodes, context: Context): Promise<ReceiverFacts> {
  const { options, name } = server.config;
  const connections = walConnections(options);
  if (connections.overriddenBy.length > 0) {
    context.messages.info(`WAL of server ${name} is received through ${connections.overriddenBy.join(' and ')}`);
  }
  await using connection = await nodes.queries();
  const { number: serverVersion } = await readServerVersion(connection);
  const refuse = (reason: string, hint: string): never => {
    throw new OperatorError('receiver-failed', `Impossible to start WAL streaming of server ${name}: ${reason}`, { hint });
  };
  if (!(await readPrivileges(connection, serverVersion)).canMonitor)
    refuse('its role may not monitor', 'grant pg_monitor, or pg_read_all_settings and pg_read_all_stats');
  if ((await readSetting(connection, 'wal_level')) === 'minimal')
    refuse('wal_level is minimal', 'set wal_level = replica and restart PostgreSQL');
  const identity = await identify(nodes);
  const stored = await readIdentity(server.layout);
  if (stored !== undefined && stored.systemid !== identity.systemid) {
    refuse(
      `it is another cluster (${identity.systemid}) than the one in the catalog (${stored.systemid})`,
      'a new cluster needs a new server section and folder',
    );
  }
  const synchronous = (await readSetting(connection, 'synchronous_standby_names')) ?? '';
  return {
    serverVersion,
    segmentSize: await readSegmentSize(connection),
    identity,
    slot: options.slot_name === undefined ? undefined : await readReplicationSlot(connection, options.slot_name),
    isSynchronous: mayWaitFor(options.streaming_archiver_name, parseStandbyNames(synchronous)),
  };
}

async function identify(nodes: ServerNodes): Promise<StreamIdentity> {
  await using connection = await nodes.replication();
  return await identifySystem(connection);
}

interface SlotParts {
  readonly facts: ReceiverFacts;
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
