import { availableParallelism } from 'node:os';
import { archiveArrivals } from '../../archive/archive-arrivals.ts';
import type { ArrivalOutcome } from '../../archive/take-arrival.ts';
import { indexStrays } from '../../catalog/index/wal-index.ts';
import type { ArrivalChannel } from '../../catalog/server-layout.ts';
import { serverLockPath } from '../../catalog/server-layout.ts';
import type { Server } from '../../config/server.ts';
import { unavailableOptionsInUse } from '../../config/unavailable-options-in-use.ts';
import { storageOf } from '../../encryption/stored-wal.ts';
import type { Context } from '../../shared/context.ts';
import { tryLockFile } from '../../shared/file-lock.ts';
import { hasControlCharacter } from '../../shared/has-control-character.ts';
import { expectedFailureOf, OperatorError } from '../../shared/operator-error.ts';

interface ArchiveOptions {
  /** For runs inside other work: a channel is only spoken of when something was done. */
  readonly isQuiet: boolean;
}

/**
 * Archives what waits on the channels of a server, streaming first (docs/reference/cli.md section 10.1).
 * @throws OperatorError when files stay where they arrived, after all others were archived
 * @returns `busy` when another run holds the lock, which is told unless quiet
 */
export async function archiveWal(server: Server, { isQuiet }: ArchiveOptions, context: Context): Promise<'done' | 'busy'> {
  const channels = channelsOf(server);
  if (channels.length === 0) return 'done';
  refuseUnavailable(server);
  await using lock = await tryLockFile(serverLockPath(server.layout, 'archive-wal'));
  if (lock === undefined) {
    if (!isQuiet)
      context.messages.info(
        `Another archive-wal process is already running on server ${server.config.name}. Skipping to the next server`,
      );
    return 'busy';
  }
  for (const name of await indexStrays(server.layout, storageOf(server).custom))
    context.log.warning(`${name} was in the archive but not in the index, and was added to the index`);
  const failures: OperatorError[] = [];
  for (const { channel, batchSize } of channels) {
    try {
      await archiveChannel(server, { channel, batchSize, isQuiet }, context);
    } catch (error) {
      const failure = expectedFailureOf(error);
      if (failure === undefined || context.signal.aborted) throw error;
      failures.push(failure); // the other channel has files of its own
    }
  }
  const [first, second] = failures;
  if (second !== undefined) context.messages.error(second.message);
  if (first !== undefined) throw first;
  return 'done';
}

/**
 * As {@link archiveWal} inside other work, which goes on whatever cannot be archived: that is told, each time that it is something new.
 * @throws OperatorError `interrupted`
 */
export class QuietArchiver {
  readonly #server: Server;
  #told = '';

  constructor(server: Server) {
    this.#server = server;
  }

  async run(context: Context): Promise<void> {
    try {
      await archiveWal(this.#server, { isQuiet: true }, context);
    } catch (error) {
      const failure = expectedFailureOf(error);
      if (failure === undefined || failure.code === 'interrupted' || context.signal.aborted) throw error;
      if (failure.message !== this.#told) context.messages.warning(failure.message);
      this.#told = failure.message;
    }
  }
}

/** The channels that a server has, in the order in which they are archived. */
export function channelsOf({ config }: Server): readonly { readonly channel: ArrivalChannel; readonly batchSize: number }[] {
  if (config.isPassive || !config.isActive) return [];
  const { streaming_archiver, streaming_archiver_batch_size, archiver, archiver_batch_size } = config.options;
  return [
    ...(streaming_archiver ? [{ channel: 'streaming', batchSize: streaming_archiver_batch_size } as const] : []),
    ...(archiver ? [{ channel: 'file', batchSize: archiver_batch_size } as const] : []),
  ];
}

interface ChannelRun {
  readonly channel: ArrivalChannel;
  readonly batchSize: number;
  readonly isQuiet: boolean;
}

async function archiveChannel(server: Server, { channel, batchSize, isQuiet }: ChannelRun, context: Context): Promise<void> {
  const origin = channel === 'file' ? 'file archival' : 'streaming';
  const tell = (text: string): void => {
    context.messages.info(text);
  };
  await archiveArrivals(
    {
      server,
      channel,
      batchSize,
      workers: availableParallelism(),
      onStart: ({ fileCount, limitedTo }) => {
        if (fileCount === 0 && isQuiet) return;
        const limit = limitedTo === undefined ? '' : ` (batch size: ${String(limitedTo)})`;
        tell(`Processing xlog segments from ${origin} for ${server.config.name}${limit}`);
        if (fileCount === 0) tell('\tno file found');
      },
      onOutcome: (outcome) => {
        for (const line of linesOf(outcome, server.config.name)) tell(line);
      },
    },
    context,
  );
}

function linesOf(outcome: ArrivalOutcome, serverName: string): string[] {
  switch (outcome.kind) {
    case 'archived':
    case 'known-already':
      return [`\t${outcome.name}`];
    case 'duplicate':
      return [
        `\t${outcome.name}`,
        `\tError: ${outcome.name} is already present in server ${serverName} with other content. It was moved to ${outcome.movedTo}`,
      ];
    case 'unknown':
      return [`\tError: ${shown(outcome.name)} is not a WAL file. It was moved to ${shown(outcome.movedTo)}`];
    case 'foreign':
    case 'misnamed':
      return [
        `\t${outcome.name}`,
        `\tError: ${outcome.name} does not belong in the archive of server ${serverName}: ${outcome.problem}. It was moved to ${outcome.movedTo}`,
      ];
  }
}

/** A name from outside, in quotes where it could pass for more than a name. */
function shown(name: string): string {
  return hasControlCharacter(name) ? JSON.stringify(name) : name;
}

function refuseUnavailable(server: Server): void {
  const [first] = unavailableOptionsInUse(server.config, 'archive').filter(({ ignoring }) => ignoring === 'refuse');
  if (first !== undefined) throw new OperatorError('not-available-yet', first.message, { hint: 'WAL stays where it arrived' });
}
