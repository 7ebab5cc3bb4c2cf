import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readSegmentContent, segmentProblem } from '../catalog/wal/segment-content.ts';
import type { Server } from '../config/server.ts';
import { storageOf } from '../encryption/stored-wal.ts';
import type { ClientConnection } from '../postgres/client-connection.ts';
import { requireClientProgram } from '../postgres/client-programs.ts';
import { receivewalArguments } from '../postgres/receivewal-arguments.ts';
import type { Context } from '../shared/context.ts';
import { makeFolderDurably, syncFile, syncFolder } from '../shared/durable-file.ts';
import { pathExists } from '../shared/look.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { quoteWords } from '../shared/shell-words.ts';
import { lastLines } from '../transport/programs/program-result.ts';
import { runProgram } from '../transport/programs/run-program.ts';
import { isFullSegment } from '../wal/is-full-segment.ts';
import { nextSegment, type SegmentName, segmentStart } from '../wal/wal-name.ts';
import { makeEmptyPartial } from './run-pg-receivewal.ts';

interface Fetched {
  readonly server: Server;
  readonly systemid: string;
  readonly segments: readonly SegmentName[];
}

interface Streaming extends Fetched {
  /** To the node that has the segments, which are in a row. */
  readonly connection: ClientConnection;
  readonly serverVersion: number;
  readonly segmentSize: number;
}

interface Copying extends Fetched {
  /** Writes the file of a node into a file here. */
  readonly copy: (segment: SegmentName, path: string) => Promise<void>;
}

/** Below the folder that WAL is archived from, where no reader of it looks. */
const fetchFolder = '.fetch';
/** A node that sends nothing for so long is given up. */
const silentMs = 60_000;
/** A larger segment is not read as a whole. */
const mostReadBytes = 64 << 20;

/**
 * Streams segments from a node that still has them, without a slot, and puts those that are whole where they are archived from.
 * @returns the segments that are there now
 * @throws OperatorError `receiver-failed` when none came
 */
export async function streamSegments(
  { server, connection: client, serverVersion, segmentSize, systemid, segments }: Streaming,
  context: Context,
): Promise<readonly SegmentName[]> {
  const { environment, programPath: path } = server;
  const [first, last] = [segments[0], segments.at(-1)];
  if (first === undefined || last === undefined) return [];
  const program = await requireClientProgram('pg_receivewal', { path, environment, serverVersion });
  const folder = await emptyFolder(server);
  await makeEmptyPartial(folder, first);
  const argv = receivewalArguments({
    program: program.path,
    connection: client.connection,
    folder,
    slotName: undefined,
    isSynchronous: false,
    endLsn: segmentStart(nextSegment(last, segmentSize), segmentSize),
  });
  const silence = new SilenceTimer(silentMs);
  context.log.debug(`running ${quoteWords(argv)}`);
  const result = await runProgram(argv, {
    environment: { ...environment, ...client.secrets },
    inherited: client.inherited,
    signal: context.signal,
    stopSignal: 'SIGINT',
    abandonSignal: silence.signal,
    onStderrLine: () => silence.heard(),
  });
  silence.end();
  context.signal.throwIfAborted();
  const found: SegmentName[] = [];
  for (const segment of segments) {
    if (await takeWhole(join(folder, segment), segment, { server, systemid, mayEndEarly: true })) found.push(segment);
  }
  await finish(server);
  if (found.length > 0) return found;
  throw new OperatorError('receiver-failed', `none of the segments from ${first} to ${last} came`, {
    hint: lastLines(result.stderr, 2),
  });
}

/**
 * Copies the files of segments from where a node has them, and puts those that are whole where they are archived from.
 * @returns the segments that are there now
 * @throws what `copy` throws
 */
export async function copySegments(
  { server, systemid, segments, copy }: Copying,
  { log, signal }: Pick<Context, 'log' | 'signal'>,
): Promise<readonly SegmentName[]> {
  const folder = await emptyFolder(server);
  const found: SegmentName[] = [];
  try {
    for (const segment of segments) {
      signal.throwIfAborted();
      const path = join(folder, segment);
      await copy(segment, path);
      if (await takeWhole(path, segment, { server, systemid, mayEndEarly: false })) found.push(segment);
      else log.warning(`the file of ${segment} is not all of that segment: it is left out`);
    }
  } finally {
    await finish(server);
  }
  return found;
}

/** The receiver's folder, or that of `archive_command` where there is no receiver. */
function targetFolder({ layout, config }: Server): string {
  return config.options.streaming_archiver ? layout.streaming : layout.incoming;
}

async function emptyFolder(server: Server): Promise<string> {
  const folder = join(targetFolder(server), fetchFolder);
  await rm(folder, { recursive: true, force: true }); // the files of an earlier run can be fetched again
  await makeFolderDurably(folder);
  return folder;
}

async function finish(server: Server): Promise<void> {
  await syncFolder(targetFolder(server));
  await rm(join(targetFolder(server), fetchFolder), { recursive: true, force: true });
}

interface Expected {
  readonly server: Server;
  readonly systemid: string;
  /** Of what was streamed up to its end the rest need not be looked at. */
  readonly mayEndEarly: boolean;
}

async function takeWhole(source: string, segment: SegmentName, { server, systemid, mayEndEarly }: Expected): Promise<boolean> {
  if (!(await pathExists(source))) return false;
  const content = await readSegmentContent(source, storageOf(server));
  if (content.kind !== 'whole' || String(content.page.systemid) !== systemid) return false;
  if (segmentProblem(content, segment) !== undefined) return false;
  if (!mayEndEarly && content.page.segmentSize <= mostReadBytes && !isFullSegment(await readFile(source))) return false;
  await syncFile(source);
  await rename(source, join(targetFolder(server), segment));
  return true;
}

class SilenceTimer {
  readonly #silent = new AbortController();
  readonly #limitMs: number;
  #timer: NodeJS.Timeout;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
    this.#timer = this.#start();
  }

  get signal(): AbortSignal {
    return this.#silent.signal;
  }

  heard(): void {
    this.end();
    this.#timer = this.#start();
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #start(): NodeJS.Timeout {
    return setTimeout(() => this.#silent.abort(), this.#limitMs);
  }
}
