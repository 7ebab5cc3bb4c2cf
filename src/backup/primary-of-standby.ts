import { primaryNodesOf } from '../config/nodes-of-server.ts';
import type { Connection } from '../postgres/connect.ts';
import { readIsInRecovery, requestCheckpoint, switchWal, writeSomething } from '../postgres/server-queries.ts';
import type { Context } from '../shared/context.ts';
import { messageOf, OperatorError } from '../shared/operator-error.ts';
import { untilAborted } from '../shared/until-aborted.ts';
import type { BackupJob } from './backup-job.ts';

const switches = 10;
const switchEverySeconds = 10;

/**
 * The primary that closes segments for a backup of its standby (docs/reference/engine.md section 6.7); undefined when `primary_conninfo` is not set, or
 * needless because `conninfo` reaches a primary.
 */
export async function connectToPrimary({ server, connection, context }: BackupJob): Promise<Connection | undefined> {
  if (server.config.options.primary_conninfo === undefined) return undefined;
  if (!(await readIsInRecovery(connection))) {
    context.messages.warning(
      `primary_conninfo of server '${server.config.name}' is ignored: conninfo does not reach a standby`,
    );
    return undefined;
  }
  return await primaryNodesOf(server).queries(context.signal);
}

/** Closes the segment that is written now, so that it is archived, and puts something behind it. */
export async function closeSegment(primary: Connection): Promise<void> {
  await switchWal(primary);
  await writeSomething(primary);
}

interface ClosingOptions {
  readonly context: Pick<Context, 'clock' | 'messages'>;
  /** `primary_checkpoint_timeout`; 0 for no checkpoint. */
  readonly checkpointAfterSeconds: number;
}

/** How segments are closed for the backup of a job. */
export function closingOptionsOf({ context, server }: Pick<BackupJob, 'context' | 'server'>): ClosingOptions {
  return { context, checkpointAfterSeconds: server.config.options.primary_checkpoint_timeout };
}

/**
 * While the standby waits for the WAL of its backup (archive_mode = always): closes segments on the primary, ten times, ten seconds
 * apart; then, after `primary_checkpoint_timeout` if that is set, once more after a checkpoint. Ends when `until` aborts.
 */
export async function closeSegmentsUntil(
  primary: Connection,
  { context, checkpointAfterSeconds: timeoutSeconds }: ClosingOptions,
  until: AbortSignal,
): Promise<void> {
  try {
    for (let times = 0; times < switches; times++) {
      await untilAborted(switchWal(primary), until);
      await context.clock.sleep(switchEverySeconds * 1000, until);
    }
    if (timeoutSeconds === 0) return;
    context.messages.info(
      `The standby still waits for WAL: a checkpoint on the primary follows in ${String(timeoutSeconds)} s`,
    );
    await context.clock.sleep(timeoutSeconds * 1000, until);
    await untilAborted(requestCheckpoint(primary), until);
    await untilAborted(closeSegment(primary), until);
  } catch (error) {
    if (until.aborted) return;
    if (!(error instanceof OperatorError)) throw error;
    context.messages.warning(`no WAL segment can be closed on the primary: ${messageOf(error)}`);
  }
}
