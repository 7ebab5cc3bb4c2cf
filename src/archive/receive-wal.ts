import { open, readdir, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { Server } from '../config/server.ts';
import type { ClientConnection } from '../postgres/client-connection.ts';
import { requireClientProgram } from '../postgres/client-programs.ts';
import { receivewalArguments } from '../postgres/receivewal-arguments.ts';
import type { Context } from '../shared/context.ts';
import { makeFolderDurably, syncFolder } from '../shared/durable-file.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { quoteWords } from '../shared/shell-words.ts';
import { lastLines } from '../transport/program-result.ts';
import { runProgram } from '../transport/run-program.ts';
import { parseSegmentName, type SegmentName, walKindOf } from '../wal/wal-name.ts';

interface ReceiverOptions {
  readonly server: Server;
  /** To the node that WAL comes from. */
  readonly connection: ClientConnection;
  readonly serverVersion: number;
  readonly segmentSize: number;
  readonly isSynchronous: boolean;
}

/**
 * Runs `pg_receivewal` until it ends or we are told to stop (engine.md section 9.2); what it says is passed on. The caller holds the
 * receive-wal lock.
 * @throws OperatorError `receiver-failed` when it ends by itself
 */
export async function receiveWal(options: ReceiverOptions, context: Context): Promise<void> {
  const { server, connection: client, serverVersion, segmentSize, isSynchronous } = options;
  const { slot_name: slotName } = server.config.options;
  const { environment, programPath: path } = server;
  const program = await requireClientProgram('pg_receivewal', { path, environment, serverVersion });
  await makeFolderDurably(server.layout.streaming);
  await truncateTornPartial(server.layout.streaming, segmentSize);
  const argv = receivewalArguments({
    program: program.path,
    connection: client.connection,
    folder: server.layout.streaming,
    slotName,
    isSynchronous,
  });
  const tell = (line: string): void => context.messages.info(`${server.config.name}: ${line}`);
  context.log.debug(`running ${quoteWords(argv)}`);
  const result = await runProgram(argv, {
    environment: { ...environment, ...client.secrets },
    inherited: client.inherited,
    signal: context.signal,
    stopSignal: 'SIGINT', // it syncs what it has before it ends
    onStdoutLine: tell,
    onStderrLine: tell,
  });
  if (context.signal.aborted) return;
  const reason = result.signal ?? `exit code ${String(result.exitCode)}`;
  throw new OperatorError('receiver-failed', `ArchiverFailure:pg_receivewal terminated with error: ${reason}`, {
    hint: lastLines(result.stderr, 2),
  });
}

/**
 * A partial segment that is neither empty nor whole was torn by a crash, and `pg_receivewal` refuses it: emptied, it is received again
 * from its start.
 */
async function truncateTornPartial(folder: string, segmentSize: number): Promise<void> {
  const newest = (await partialsIn(folder)).at(-1);
  if (newest === undefined) return;
  const path = join(folder, newest);
  const { size } = await stat(path);
  if (size !== 0 && size !== segmentSize) await truncate(path, 0);
}

export type RealignOutcome =
  | { readonly kind: 'nothing-to-do' }
  | { readonly kind: 'realigned'; readonly removed: string | undefined; readonly created: string };

/**
 * Makes the streaming folder begin where the server can go on (engine.md section 9.2, `--reset`): the newest partial segment goes, an
 * empty one at `restart` comes.
 * @throws OperatorError `receiver-failed` when the folder is ahead of the server
 */
export async function realignStreamingFolder(folder: string, restart: SegmentName): Promise<RealignOutcome> {
  await makeFolderDurably(folder);
  const names = (await readdir(folder)).filter((name) => ['segment', 'partial'].includes(walKindOf(name) ?? '')).toSorted();
  const newest = names.at(-1);
  const newestSegment = parseSegmentName((newest ?? '').slice(0, 24));
  if (newestSegment === restart) return { kind: 'nothing-to-do' };
  if (newestSegment !== undefined && newestSegment > restart) {
    throw new OperatorError(
      'receiver-failed',
      `the streaming folder is ahead of the server: it holds ${newestSegment}, the server would send ${restart}`,
      {
        hint: 'is this still the same cluster? Move the files of the streaming folder away when you are sure that nobody needs them',
      },
    );
  }
  const removed = names.findLast((name) => walKindOf(name) === 'partial');
  const created = `${restart}.partial`;
  if (removed !== undefined) await rm(join(folder, removed));
  await using file = await open(join(folder, created), 'a');
  await file.sync();
  await syncFolder(folder);
  return { kind: 'realigned', removed, created };
}

async function partialsIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => walKindOf(name) === 'partial').toSorted();
}
