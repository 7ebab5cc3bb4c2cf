import { closeSync, createReadStream, fstatSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isOtherSegment } from '../catalog/wal/segment-content.ts';
import { walArchiveOf } from '../catalog/wal/wal-archive.ts';
import type { Server } from '../config/server.ts';
import { formOf, storageOf, type WalStorage } from '../encryption/stored-wal.ts';
import { copyToDescriptor } from '../shared/copy-to-descriptor.ts';
import { fillFile } from '../shared/fill-file.ts';
import type { Log } from '../shared/log.ts';
import { isMissing } from '../shared/look.ts';
import { expectedFailureOf, OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { makeScratchFolder } from '../shared/scratch-folder.ts';
import { parseWalName, type WalName } from '../wal/wal-name.ts';
import { findWal } from './find-wal.ts';
import { serveWal } from './serve-wal.ts';

/** Where the answers go: a pipe that may or may not wait for its reader. */
export interface AnswerOutput {
  readonly descriptor: number;
  /** Made only when the descriptor does not wait. */
  readonly stream: () => NodeJS.WritableStream;
}

/** A request of {@link answerWals}. */
interface Wanted {
  readonly name: WalName;
  readonly allowsPartial: boolean;
  /** Nothing compressed: the other side cannot unpack it. */
  readonly isPlain: boolean;
}

/** The beginning of the answers, so that a reader takes nothing else for one. */
const greeting = 'pgcellar-wals 1';

/**
 * Answers requests for WAL files through one connection until there are no more. A request is a line with a name and, behind it, `partial`
 * or `plain` or both. An answer is a line, `file BYTES` with the file behind it, `none` for what is surely not there, or `failed` for
 * what `get-wal` would end with another code for. A file goes as it is stored, unless it is encrypted or compressed in the server's own way.
 * @throws Error of the system call when a file cannot be sent to its end: the reader then has to see the connection end
 */
export async function answerWals(server: Server, requests: Readable, output: AnswerOutput, log: Log): Promise<void> {
  const answering: Answering = { server, storage: storageOf(server), output, log };
  const ahead = !server.config.options.restore_ahead ? ' not-ahead' : '';
  await writeText(`${greeting}${ahead}\n`, output);
  for await (const line of linesOf(requests)) await answer(parseRequest(line), answering);
}

interface Answering {
  readonly server: Server;
  readonly storage: WalStorage;
  readonly output: AnswerOutput;
  readonly log: Log;
}

function parseRequest(line: string): Wanted | undefined {
  const [text = '', ...words] = line.split(' ');
  const name = parseWalName(text);
  return name && { name, allowsPartial: words.includes('partial'), isPlain: words.includes('plain') };
}

async function* linesOf(input: Readable): AsyncGenerator<string> {
  let open = '';
  for await (const chunk of input as AsyncIterable<Buffer>) {
    const lines = (open + chunk.toString('latin1')).split('\n');
    open = lines.pop() ?? '';
    yield* lines;
  }
}

async function answer(wanted: Wanted | undefined, answering: Answering): Promise<void> {
  const { output } = answering;
  if (wanted === undefined) {
    await writeText('failed\n', output);
    return;
  }
  const stored = await pathToSendAsItLies(wanted, answering);
  if (stored !== undefined) {
    await sendFile(stored, output);
    return;
  }
  const { server, log } = answering;
  const { name, allowsPartial } = wanted;
  await using folder = await makeScratchFolder('wal');
  const plain = join(folder.path, 'plain');
  try {
    await fillFile(plain, async (stream) => {
      await serveWal({ server, name, allowsPartial, form: 'plain', output: () => Promise.resolve(stream) }, log);
    });
  } catch (error) {
    if (!(error instanceof OperatorError) && expectedFailureOf(error) === undefined) throw error;
    const isMissingFile = error instanceof OperatorError && error.code === 'wal-not-found';
    if (!isMissingFile) log.debug(`${name} cannot be delivered: ${String(error)}`);
    await writeText(isMissingFile ? 'none\n' : 'failed\n', output);
    return;
  }
  await sendFile(plain, output);
}

/** Of an archived file that the other side can read as well as we; what is out of the ordinary is looked at with more care. */
async function pathToSendAsItLies({ name, isPlain }: Wanted, { server, storage }: Answering): Promise<string | undefined> {
  const path = walArchiveOf(server.layout).pathOf(name);
  if ((await findWal(server.layout, name, { allowsPartial: false })) !== path) return undefined;
  try {
    const { compression, encryption } = await formOf(path, storage);
    if (encryption !== undefined || compression === 'custom' || (isPlain && compression !== undefined)) return undefined;
    return isOtherSegment(path, name) ? undefined : path;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function sendFile(path: string, output: AnswerOutput): Promise<void> {
  const size = sizeOf(path);
  await writeText(`file ${String(size)}\n`, output);
  const start = copyToDescriptor(path, output.descriptor);
  if (start < size) await pipeline(createReadStream(path, { start, end: size - 1 }), output.stream(), { end: false });
  if (start > size) throw new Error(`${path} became longer while it was sent`);
}

function sizeOf(path: string): number {
  const file = openSync(path, 'r');
  try {
    return fstatSync(file).size;
  } finally {
    closeSync(file);
  }
}

async function writeText(text: string, { descriptor, stream }: AnswerOutput): Promise<void> {
  const bytes = Buffer.from(text);
  let written = 0;
  try {
    while (written < bytes.length) written += writeSync(descriptor, bytes, written);
  } catch (error) {
    if (systemCodeOf(error) !== 'EAGAIN') throw error;
    await new Promise<void>((resolve, reject) => {
      stream().write(bytes.subarray(written), (failure) => {
        if (failure == null) resolve();
        else reject(failure);
      });
    });
  }
}
