import { copyFile, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServerLayout } from '../catalog/server-layout.ts';
import { listStreamed } from '../catalog/wal/list-streamed.ts';
import { readFirstPage } from '../catalog/wal/segment-content.ts';
import { walArchiveOf } from '../catalog/wal/wal-archive.ts';
import type { Server } from '../config/server.ts';
import { storageOf } from '../encryption/stored-wal.ts';
import type { ClientConnection } from '../postgres/client-connection.ts';
import { requireClientProgram } from '../postgres/client-programs.ts';
import { receivewalArguments } from '../postgres/receivewal-arguments.ts';
import { afterGrace } from '../shared/after-grace.ts';
import type { Context } from '../shared/context.ts';
import { makeFolderDurably, syncFile, syncFolder } from '../shared/durable-file.ts';
import { namesIn, pathExists } from '../shared/look.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { renameNew } from '../shared/rename-new.ts';
import { quoteWords } from '../shared/shell-words.ts';
import { lastLines } from '../transport/programs/program-result.ts';
import { runProgram } from '../transport/programs/run-program.ts';
import { parseSegmentName, type SegmentName, segmentIndex, walKindOf } from '../wal/wal-name.ts';
import { rejectWal } from './reject-wal.ts';

interface ReceiverOptions {
  readonly server: Server;
  /** To the node that WAL comes from. */
  readonly connection: ClientConnection;
  readonly serverVersion: number;
  readonly segmentSize: number;
  readonly isSynchronous: boolean;
  /** Of the server that WAL comes from. */
  readonly systemid?: string;
}

/** After it was told to end: while it waits for a server that hangs it hears nothing. */
const syncsForMs = 5000;
/** It is told to be verbose, and says where it begins as soon as the server has answered. */
const firstWordMs = 60_000;

/**
 * Runs `pg_receivewal` until it ends or we are told to stop (docs/reference/engine.md section 9.2); what it says is passed on. The caller holds the
 * receive-wal lock.
 * @throws OperatorError `receiver-failed` when it ends by itself
 */
export async function runPgReceivewal(options: ReceiverOptions, context: Context): Promise<void> {
  const { server, connection: client, serverVersion, segmentSize, isSynchronous } = options;
  const { slot_name: slotName } = server.config.options;
  const { environment, programPath: path } = server;
  const program = await requireClientProgram('pg_receivewal', { path, environment, serverVersion });
  await makeFolderDurably(server.layout.streaming);
  await moveForeignAside(options, context);
  await replaceTornPartial(server.layout, segmentSize);
  const argv = receivewalArguments({
    program: program.path,
    connection: client.connection,
    folder: server.layout.streaming,
    slotName,
    isSynchronous,
  });
  const tooSilent = new AbortController();
  const silence = setTimeout(() => tooSilent.abort(), firstWordMs);
  const tell = (line: string): void => {
    clearTimeout(silence);
    context.messages.info(`${server.config.name}: ${line}`);
  };
  context.log.debug(`running ${quoteWords(argv)}`);
  const result = await runProgram(argv, {
    environment: { ...environment, ...client.secrets },
    inherited: client.inherited,
    signal: context.signal,
    stopSignal: 'SIGINT', // it syncs what it has before it ends
    abandonSignal: AbortSignal.any([afterGrace(context.signal, syncsForMs), tooSilent.signal]),
    onStdoutLine: tell,
    onStderrLine: tell,
  });
  clearTimeout(silence);
  if (context.signal.aborted) return;
  if (tooSilent.signal.aborted) {
    throw new OperatorError(
      'receiver-failed',
      `pg_receivewal got no answer from the server for ${String(firstWordMs / 1000)} s`,
      {
        hint: "look at the server's log; a pooler or a firewall in between may have lost the connection",
      },
    );
  }
  const reason = result.signal ?? `exit code ${String(result.exitCode)}`;
  throw new OperatorError('receiver-failed', `ArchiverFailure:pg_receivewal terminated with error: ${reason}`, {
    hint: lastLines(result.stderr, 2),
  });
}

/** Files that another cluster left in the folder must be neither continued nor overwritten. */
async function moveForeignAside({ server, systemid }: ReceiverOptions, context: Context): Promise<void> {
  const { layout } = server;
  if (systemid === undefined) return;
  for (const name of (await namesIn(layout.streaming)).toSorted()) {
    if (!['segment', 'partial'].includes(walKindOf(name) ?? '')) continue;
    const path = join(layout.streaming, name);
    const page = await readFirstPage(path, { ...storageOf(server), custom: undefined });
    if (page === undefined || String(page.systemid) === systemid) continue;
    const movedTo = await rejectWal(layout, path, { reason: 'foreign', now: context.clock.now() });
    context.messages.warning(`${path} belongs to another cluster (${String(page.systemid)}); it was moved to ${movedTo}`);
  }
}

/**
 * A partial segment that is neither empty nor whole was torn by a crash, and `pg_receivewal` refuses it: it is received again from its start,
 * and what it held is kept aside until the whole segment is there, which the server may no longer have.
 */
async function replaceTornPartial(layout: ServerLayout, segmentSize: number): Promise<void> {
  const folder = layout.streaming;
  await dropReplacedAside(layout);
  const newest = (await listStreamed(layout, segmentSize)).findLast(({ isPartial }) => isPartial);
  if (newest === undefined) return;
  const { size } = await stat(join(folder, newest.name));
  if (size === 0 || size === segmentSize) return;
  await keepAside(folder, newest.name);
  await makeEmptyPartial(folder, newest.segment);
}

/** Below the streaming folder, where no reader of it looks. */
export const asideFolder = '.aside';

/** Moves a file of the streaming folder aside; nothing there is ever replaced. @returns its path there, below the streaming folder */
async function keepAside(folder: string, name: string): Promise<string> {
  await mkdir(join(folder, asideFolder), { recursive: true });
  for (let count = 0; ; count++) {
    const target = join(asideFolder, count === 0 ? name : `${name}.${String(count)}`);
    if (!(await renameNew(join(folder, name), join(folder, target)))) continue;
    await syncFolder(join(folder, asideFolder));
    return target;
  }
}

/** Keeps a copy of a partial segment that is received again from its start, so that the two can be compared. */
export async function keepPartialCopy({ streaming }: Pick<ServerLayout, 'streaming'>, name: string): Promise<void> {
  const [source, target] = [join(streaming, name), join(streaming, asideFolder, name)];
  if (!(await pathExists(source)) || (await pathExists(target))) return;
  await mkdir(join(streaming, asideFolder), { recursive: true });
  const temporary = `${target}.tmp`;
  await copyFile(source, temporary);
  await syncFile(temporary);
  await rename(temporary, target);
  await syncFolder(join(streaming, asideFolder));
}

/** The kept part of a segment is removed when the whole segment is archived. */
async function dropReplacedAside(layout: ServerLayout): Promise<void> {
  const folder = join(layout.streaming, asideFolder);
  for (const name of await namesIn(folder)) {
    const segment = parseSegmentName(name.slice(0, 24));
    if (segment === undefined || !(await walArchiveOf(layout).has(segment))) continue;
    await rm(join(folder, name), { force: true });
  }
}

/** Begins a segment in a receiver's folder. @returns the name of the file */
export async function makeEmptyPartial(folder: string, segment: SegmentName): Promise<string> {
  const name = `${segment}.partial`;
  await using file = await open(join(folder, name), 'a');
  await file.sync();
  await syncFolder(folder);
  return name;
}

interface Realignment {
  /** Where the server can go on. */
  readonly restart: SegmentName;
  readonly segmentSize: number;
  /** The server has left the timeline of what was streamed, so that this may reach further than `restart`. */
  readonly isHistoryLeft: boolean;
  /** Archives what the folder holds but for the file that the receiver goes on from. */
  readonly archive: () => Promise<void>;
}

export type RealignOutcome =
  | { readonly kind: 'nothing-to-do' }
  | {
      readonly kind: 'realigned';
      readonly removed: string | undefined;
      readonly created: string;
      /** Files that could not be archived: below the streaming folder. */
      readonly aside: readonly string[];
    };

/**
 * Makes the streaming folder begin where the server can go on (docs/reference/engine.md section 9.2, `--reset`): an empty partial segment comes, and what
 * `pg_receivewal` would take instead of it is archived, or else kept aside. Nothing that was streamed is deleted.
 * @throws OperatorError `receiver-failed` when the folder is ahead of the server
 */
export async function realignStreamingFolder(
  layout: Pick<ServerLayout, 'streaming'>,
  { restart, segmentSize, isHistoryLeft, archive }: Realignment,
): Promise<RealignOutcome> {
  const folder = layout.streaming;
  await makeFolderDurably(folder);
  const files = await listStreamed(layout, segmentSize);
  const newest = files.at(-1);
  if (newest?.segment === restart) return { kind: 'nothing-to-do' };
  if (newest !== undefined && newest.segment > restart && !isHistoryLeft) {
    throw new OperatorError(
      'receiver-failed',
      `the streaming folder is ahead of the server: it holds ${newest.segment}, the server would send ${restart}`,
      {
        hint: 'is this still the same cluster? Move the files of the streaming folder away when you are sure that they are no longer needed',
      },
    );
  }
  const removed = files.findLast(({ isPartial }) => isPartial)?.name;
  const created = await makeEmptyPartial(folder, restart);
  await archive();
  const aside: string[] = [];
  for (const { name, segment } of await listStreamed(layout, segmentSize)) {
    const isInTheWay = segmentIndex(segment, segmentSize) >= segmentIndex(restart, segmentSize);
    if (name !== created && (isInTheWay || name === removed)) aside.push(await keepAside(folder, name));
  }
  await syncFolder(folder);
  return { kind: 'realigned', removed, created, aside };
}
