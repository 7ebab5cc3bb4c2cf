import { join } from 'node:path';
import { realignStreamingFolder } from '../../archive/run-pg-receivewal.ts';
import { noteReceiverFailure } from '../../catalog/receiver-failure.ts';
import { serverLockPath } from '../../catalog/server-layout.ts';
import { clusterSourceOf } from '../../cluster/cluster-source.ts';
import { walNodesOf } from '../../config/nodes-of-server.ts';
import type { Server } from '../../config/server.ts';
import { walConnections } from '../../config/wal-connections.ts';
import { dropSlot } from '../../postgres/replication-commands.ts';
import type { ServerNodes } from '../../postgres/server-nodes.ts';
import type { Context } from '../../shared/context.ts';
import { isLockHeld, readLockOwner, tryLockFile } from '../../shared/file-lock.ts';
import { silentMessages } from '../../shared/messages.ts';
import { expectedFailureOf, OperatorError, reworded } from '../../shared/operator-error.ts';
import { describeLoss } from '../../wal/diagnose-receiver.ts';
import { segmentAtLsn } from '../../wal/wal-name.ts';
import { followPrimary } from './follow-primary.ts';
import {
  archivePatiently,
  cannotConnect,
  createOn,
  findStuck,
  missingSlot,
  preflight,
  receiveOnce,
  requireSlotName,
  stuckError,
} from './receive-once.ts';
import { stopIdleReceiverUnit, stopReceiverProcess } from './receiver-unit.ts';

/**
 * Receives WAL until told to stop (docs/reference/cli.md section 10.2).
 * @throws OperatorError when the server is not fit for it, the slot is missing or in use, or another receiver runs
 */
export async function runReceiver(server: Server, context: Context): Promise<void> {
  const nodes = requireStreaming(server);
  await using lock = await takeReceiveLock(server);
  const startedMs = context.clock.elapsedMs();
  try {
    if (clusterSourceOf(server) === 'off') await receiveOnce(server, nodes, context);
    else await followPrimary(server, context);
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
  const facts = await preflight(server, nodes, context);
  const { identity, slot, segmentSize } = facts;
  const { slot_name: slotName, create_slot: creation } = server.config.options;
  if (slotName !== undefined && slot === undefined && creation !== 'auto') throw missingSlot(server, slotName);
  context.messages.info(`Resetting receive-wal directory status`);
  const stuck = await findStuck(server, facts);
  const position = slot?.restartLsn ?? identity.position;
  if (position === undefined)
    throw new OperatorError(
      'receiver-failed',
      `server ${server.config.name} does not report the position from which it can send WAL`,
    );
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

/** Drops the slot of a server: `--drop-slot`. */
export async function dropServerSlot(server: Server, context: Context): Promise<void> {
  const name = requireSlotName(server);
  await using connection = await reworded(requireNodes(server).replication('barman', context.signal), cannotConnect(server));
  context.messages.info(`Dropping physical replication slot '${name}' on server '${server.config.name}'`);
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

async function takeReceiveLock(server: Server) {
  const lock = await tryLockFile(serverLockPath(server.layout, 'receive-wal'));
  if (lock !== undefined) return lock;
  throw new OperatorError('lock-busy', `A receive-wal process is already running for server ${server.config.name}`);
}
