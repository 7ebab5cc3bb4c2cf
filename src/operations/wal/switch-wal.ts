import { readLedger } from '../../catalog/index/read-ledger.ts';
import { serverLockPath } from '../../catalog/server-layout.ts';
import { hasReceiverBegun } from '../../catalog/wal/list-streamed.ts';
import { walArchiveOf } from '../../catalog/wal/wal-archive.ts';
import { nodesOf } from '../../config/nodes-of-server.ts';
import type { Server } from '../../config/server.ts';
import { shortAnswerMs } from '../../postgres/answering-within.ts';
import {
  readIsInRecovery,
  readPrivileges,
  readServerVersion,
  requestCheckpoint,
  switchWal,
  writeSomething,
} from '../../postgres/server-queries.ts';
import type { Context } from '../../shared/context.ts';
import { isLockHeld } from '../../shared/file-lock.ts';
import { OperatorError, reworded } from '../../shared/operator-error.ts';
import type { SegmentName } from '../../wal/wal-name.ts';
import { archiveWal } from './archive-wal.ts';

interface SwitchOptions {
  /** A checkpoint first, so that there is something to switch. */
  readonly isForced: boolean;
  /** Waits until the closed segment is archived. */
  readonly waits: boolean;
  /** 0 waits for ever. */
  readonly timeoutSeconds: number;
}

const pollEveryMs = 100;
/** How long a receiver that `cron` has just started may take until it holds its lock. */
const receiverStartMs = 5_000;

/** Closes the current WAL segment of a server (docs/reference/cli.md section 10.3). */
export async function switchServerWal(server: Server, options: SwitchOptions, context: Context): Promise<void> {
  const { name } = server.config;
  if (options.waits) await awaitReceiver(server, options, context);
  const outcome = await closeSegment(server, options, context);
  if (outcome === 'standby') {
    context.messages.info(`No switch performed because server '${name}' is a standby.`);
    if (!options.waits) return;
  } else if (outcome === undefined) context.messages.info(`No switch required for server '${name}'`);
  else context.messages.info(`The WAL file ${outcome} has been closed on server '${name}'`);
  if (options.waits) await waitForWal(server, { segment: outcome === 'standby' ? undefined : outcome, options }, context);
}

/** A receiver that is only just starting has no slot yet, and would never get the segment that is closed now. */
async function awaitReceiver({ config, layout }: Server, { timeoutSeconds }: SwitchOptions, context: Context): Promise<void> {
  const { archiver, streaming_archiver } = config.options;
  if (archiver || !streaming_archiver) return;
  const { clock, signal } = context;
  const startedMs = clock.elapsedMs();
  const limitMs = timeoutSeconds === 0 ? Number.POSITIVE_INFINITY : timeoutSeconds * 1000;
  while (!(await hasReceiverBegun(layout))) {
    const waitedMs = clock.elapsedMs() - startedMs;
    if (waitedMs > limitMs) return;
    if (waitedMs > receiverStartMs && !(await isLockHeld(serverLockPath(layout, 'receive-wal')))) return;
    await clock.sleep(pollEveryMs, signal);
  }
}

async function closeSegment(
  server: Server,
  { isForced, waits }: SwitchOptions,
  { signal }: Context,
): Promise<SegmentName | 'standby' | undefined> {
  if (server.config.options.conninfo === undefined)
    throw new OperatorError('configuration-invalid', `server ${server.config.name} has no conninfo`);
  const asBarman = `Unable to perform pg_switch_wal for server '${server.config.name}'.`;
  await using connection = await reworded(nodesOf(server).queries(signal, shortAnswerMs), { asBarman });
  if (await readIsInRecovery(connection)) return 'standby';
  if (isForced) {
    const { canCheckpoint } = await readPrivileges(connection, (await readServerVersion(connection)).number);
    if (!canCheckpoint) {
      throw new OperatorError(
        'query-failed',
        `the role of conninfo may not request a checkpoint on server '${server.config.name}'`,
        {
          hint: 'grant it pg_checkpoint (PostgreSQL 15 and newer), or leave out --force',
        },
      );
    }
    await requestCheckpoint(connection);
  }
  const closed = await switchWal(connection);
  if (waits) await writeSomething(connection);
  return closed;
}

interface Wait {
  readonly segment: SegmentName | undefined;
  readonly options: SwitchOptions;
}

async function waitForWal(server: Server, { segment, options }: Wait, context: Context): Promise<void> {
  const { name } = server.config;
  const what = segment ?? 'a WAL file';
  context.messages.info(
    `Waiting for ${segment === undefined ? 'a WAL file' : `the WAL file ${segment}`} from server '${name}'${options.timeoutSeconds === 0 ? '' : ` (max: ${String(options.timeoutSeconds)} seconds)`}`,
  );
  const deadlineMs =
    options.timeoutSeconds === 0 ? Number.POSITIVE_INFINITY : context.clock.elapsedMs() + options.timeoutSeconds * 1000;
  const countBefore = segment === undefined ? await countOfEntries(server) : 0;
  for (;;) {
    context.signal.throwIfAborted();
    await archiveWal(server, { isQuiet: true }, context);
    if (segment === undefined ? (await countOfEntries(server)) > countBefore : await walArchiveOf(server.layout).has(segment))
      return;
    if (context.clock.elapsedMs() > deadlineMs) break;
    await context.clock.sleep(pollEveryMs, context.signal);
  }
  const text = `${what} has not been received from server '${name}' in ${String(options.timeoutSeconds)} seconds`;
  if (segment === undefined) context.messages.info(text);
  else
    throw new OperatorError('wal-not-archived', `The WAL file ${text}`, {
      hint: `check ${name}: is the receiver running, does archive_command succeed?`,
    });
}

async function countOfEntries(server: Server): Promise<number> {
  return (await readLedger(server.layout)).count;
}
