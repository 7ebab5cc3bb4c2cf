import { rename, rm } from 'node:fs/promises';
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
import { nextSegment, type SegmentName, segmentStart } from '../wal/wal-name.ts';
import { makeEmptyPartial } from './run-pg-receivewal.ts';

interface Fetching {
  readonly server: Server;
  /** To the node that has the segments. */
  readonly connection: ClientConnection;
  readonly serverVersion: number;
  readonly segmentSize: number;
  readonly systemid: string;
  /** In a row. */
  readonly segments: readonly SegmentName[];
}

/** Below the receiver's folder, where no reader of it looks. */
const fetchFolder = '.fetch';
/** A node that sends nothing for so long is given up. */
const silentMs = 60_000;

/**
 * Streams segments from a node that still has them, without a slot, and puts those that are whole into the receiver's folder.
 * @returns the segments that are there now
 * @throws OperatorError `receiver-failed` when none came
 */
export async function fetchSegments(
  { server, connection: client, serverVersion, segmentSize, systemid, segments }: Fetching,
  context: Context,
): Promise<readonly SegmentName[]> {
  const { layout, environment, programPath: path } = server;
  const [first, last] = [segments[0], segments.at(-1)];
  if (first === undefined || last === undefined) return [];
  const program = await requireClientProgram('pg_receivewal', { path, environment, serverVersion });
  const folder = join(layout.streaming, fetchFolder);
  await rm(folder, { recursive: true, force: true }); // what an earlier run left can be had again
  await makeFolderDurably(folder);
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
    const source = join(folder, segment);
    if (!(await pathExists(source))) continue;
    const content = await readSegmentContent(source, storageOf(server));
    if (
      content.kind !== 'whole' ||
      String(content.page.systemid) !== systemid ||
      segmentProblem(content, segment) !== undefined
    )
      continue;
    await syncFile(source);
    await rename(source, join(layout.streaming, segment));
    found.push(segment);
  }
  await syncFolder(layout.streaming);
  await rm(folder, { recursive: true, force: true });
  if (found.length > 0) return found;
  throw new OperatorError('receiver-failed', `none of the segments from ${first} to ${last} came`, {
    hint: lastLines(result.stderr, 2),
  });
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
