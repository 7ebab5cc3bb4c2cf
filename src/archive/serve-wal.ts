import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { WalEntry } from '../catalog/index/wal-entry.ts';
import type { ServerLayout } from '../catalog/server-layout.ts';
import {
  readPlainSegment,
  readSegmentContent,
  segmentChecker,
  segmentProblem,
  unfinishedCopy,
} from '../catalog/wal/segment-content.ts';
import { codecFor, decompress } from '../compression/all-codecs.ts';
import { isDamage } from '../compression/codec.ts';
import type { Server } from '../config/server.ts';
import { arrivalsOf, type ClearContent, formOf, readClear, storageOf, type WalStorage } from '../encryption/stored-wal.ts';
import { copyToDescriptor } from '../shared/copy-to-descriptor.ts';
import type { ErrorCode } from '../shared/error-codes.ts';
import { fillFile } from '../shared/fill-file.ts';
import type { Log } from '../shared/log.ts';
import { kindOfArrival } from '../shared/look.ts';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { makeScratchFolder } from '../shared/scratch-folder.ts';
import { type SegmentName, segmentOf, type WalName } from '../wal/wal-name.ts';
import { walCandidates } from './find-wal.ts';

/** In which form a WAL file goes out. */
export type WalForm = 'plain' | 'stored' | 'gzip' | 'bzip2';

interface ServeOptions {
  readonly server: Server;
  readonly name: WalName;
  readonly allowsPartial: boolean;
  readonly form: WalForm;
  /** Opened only when a file was found; left open. */
  readonly output: () => Promise<NodeJS.WritableStream>;
  /** The open file or pipe that `output` writes to: a file that goes out as it lies is written there directly. */
  readonly descriptor?: number | undefined;
}

/**
 * Sends one WAL file. A candidate that vanishes before its first byte went out is passed over for the next one, and so is a segment that
 * is still being copied: PostgreSQL ends a recovery with an error when it gets a part of one. One that surely is not what its name says
 * is passed over, too, and told when no other is found.
 * @returns the path that was sent
 * @throws OperatorError `wal-not-found`; `wal-unreadable` for what is there and cannot be handed out, which is never called missing
 */
export async function serveWal(options: ServeOptions, log: Log): Promise<string> {
  const { server, name, allowsPartial, form } = options;
  const storage = storageOf(server);
  const refused: OperatorError[] = [];
  for (const { path, place } of walCandidates(server.layout, name, { allowsPartial })) {
    const isArchived = place === 'archive';
    const storageHere = isArchived ? storage : arrivalsOf(storage);
    if (!isArchived && kindOfArrival(path) === 'other') {
      refused.push(unreadableWal(path, 'it is not a regular file'));
      continue;
    }
    if (await hasVanished(path, storageHere)) continue;
    if (place === 'incoming' && unfinishedCopy(path) !== undefined) continue;
    const problem = await problemOf(path, { server, name, storage: storageHere, isArchived });
    if (problem !== undefined) {
      refused.push(unreadableWal(path, problem));
      continue;
    }
    log.debug(`sending ${name} from ${path}`);
    let begun = 0;
    const output = async (): Promise<NodeJS.WritableStream> => {
      begun++;
      return await options.output();
    };
    try {
      await readClear(path, storageHere, async (content) => {
        await send(content, { ...options, output, form: formFor(path, form), storage: storageHere });
      });
      return path;
    } catch (error) {
      if (begun > 0 || !(error instanceof OperatorError)) throw error;
      refused.push(error);
    }
  }
  const [first] = refused;
  if (first !== undefined) throw first;
  throw new OperatorError('wal-not-found', `WAL file '${name}' not found in server '${server.config.name}'`);
}

function unreadableWal(path: string, problem: string): OperatorError {
  return new OperatorError('wal-unreadable', `${path} exists but cannot be delivered: ${problem}`, {
    hint: 'PostgreSQL must not treat it as missing: provide a complete copy, or recover to a target before it',
  });
}

/** The codes of {@link serveWal} for a file that exists but cannot be delivered. */
const aboutTheFile: readonly ErrorCode[] = [
  'program-missing',
  'command-failed',
  'configuration-invalid',
  'decryption-failed',
  'wal-stream-invalid',
];

/** The error as PostgreSQL has to be told of it: with the exit code of `wal-unreadable` where the file is there. */
export function toldAsUnreadable(error: unknown): unknown {
  if (!(error instanceof OperatorError) || !(aboutTheFile.includes(error.code) || isDamage(error))) return error;
  const { message, hint } = error;
  return new OperatorError('wal-unreadable', message, { ...(hint === undefined ? {} : { hint }), cause: error });
}

interface Looked {
  readonly server: Server;
  readonly name: WalName;
  readonly storage: WalStorage;
  readonly isArchived: boolean;
}

/** Why a file that lies plain under the name of a segment cannot be that segment; undefined when it may be, or is only seen when it is unpacked. */
async function problemOf(path: string, { server, name, storage, isArchived }: Looked): Promise<string | undefined> {
  const segment = wholeSegmentOf(name);
  if (segment === undefined) return undefined;
  const content = readPlainSegment(path, storage);
  if (content === undefined) return undefined;
  if (content.kind === 'foreign-matter') {
    if (!isArchived || !(await mayBePacked(server, name, storage))) return undefined;
    return 'it is compressed, and custom_compression_magic does not match it';
  }
  if (content.kind === 'unwritten') return path.endsWith('.partial') ? undefined : segmentProblem(content, segment);
  return segmentProblem(content, segment);
}

/** Of an archived file without any mark: the index knows how it was stored; where it does not, a custom compression may have been used. */
async function mayBePacked({ layout }: Server, name: WalName, { custom }: WalStorage): Promise<boolean> {
  const entry = await indexEntryOf(layout, name);
  return entry === undefined ? custom !== undefined : entry.compression !== null;
}

/** Undefined also when the index itself cannot be read: the file is there all the same. */
async function indexEntryOf(layout: ServerLayout, name: WalName): Promise<WalEntry | undefined> {
  const { readLedger } = await import('../catalog/index/read-ledger.ts'); // the index is not needed for what is as it should be
  try {
    return (await readLedger(layout)).entryOf(name);
  } catch (error) {
    if (error instanceof OperatorError) return undefined;
    throw error;
  }
}

/** A partial segment is never compressed for the way; one that lies in the archive may be stored compressed, and replay wants it plain. */
function formFor(path: string, form: WalForm): WalForm {
  if (!path.endsWith('.partial')) return form;
  return form === 'plain' ? 'plain' : 'stored';
}

interface SendOptions extends Pick<ServeOptions, 'form' | 'output' | 'descriptor' | 'name'> {
  readonly storage: WalStorage;
}

async function send(content: ClearContent, options: SendOptions): Promise<void> {
  const { form, output, storage, name } = options;
  if (form === 'stored' || form === (content.compression ?? 'plain')) {
    if (form === 'stored' || form === 'plain' || content.path === undefined) await sendAsItIs(content, options);
    else await sendPacked(content, content.path, options);
  } else if (form === 'plain') {
    await decompressChecked(content, { output, storage, name });
  } else {
    await sendRecompressed(content, form, options);
  }
}

/** A file that the reader has to decompress must not fail only there. */
async function sendPacked(content: ClearContent, path: string, options: SendOptions): Promise<void> {
  const segment = wholeSegmentOf(options.name);
  const found = segment === undefined ? undefined : await readSegmentContent(path, options.storage);
  const problem = segment === undefined || found === undefined ? undefined : segmentProblem(found, segment);
  if (problem !== undefined) throw new OperatorError('wal-stream-invalid', problem);
  await sendAsItIs(content, options);
}

type Decompressing = Pick<SendOptions, 'output' | 'storage' | 'name'>;

/** The output is opened when the first bytes are there and are those of the segment; that all were there is known at the end. */
async function decompressChecked(content: ClearContent, { output, storage, name }: Decompressing): Promise<void> {
  const segment = wholeSegmentOf(name);
  if (segment === undefined) {
    await decompress(content, content.compression, { to: await output(), surroundings: storage });
    return;
  }
  const checker = segmentChecker(segment);
  const unpacking = decompress(content, content.compression, { to: checker, surroundings: storage }).then(
    () => checker.end(),
    (error: unknown) => {
      checker.destroy(error instanceof Error ? error : new Error(String(error)));
      throw error;
    },
  );
  const sending = once(checker, 'readable').then(async () => {
    await pipeline(checker, await output(), { end: false });
  });
  const [unpacked, sent] = await Promise.allSettled([unpacking, sending]);
  // a reader that went away, or a full disk, ends both; anything else is about the content
  if (sent.status === 'rejected' && !(sent.reason instanceof OperatorError) && systemCallOf(sent.reason) === 'write')
    throw sent.reason;
  if (unpacked.status === 'rejected') throw unpacked.reason;
  if (sent.status === 'rejected') throw sent.reason;
}

function systemCallOf(error: unknown): unknown {
  return error instanceof Error && 'syscall' in error ? error.syscall : undefined;
}

/** Undefined for a partial segment, a label or a history. */
function wholeSegmentOf(name: WalName): SegmentName | undefined {
  const segment = segmentOf(name);
  return segment !== undefined && String(segment) === name ? segment : undefined;
}

async function sendAsItIs(content: ClearContent, { output, descriptor }: SendOptions): Promise<void> {
  const { path } = content;
  if (path === undefined || descriptor === undefined) {
    await pipeline(content.open(), await output(), { end: false });
    return;
  }
  const { size } = await stat(path);
  const start = copyToDescriptor(path, descriptor);
  if (start < size) await pipeline(createReadStream(path, { start }), await output(), { end: false });
}

/** Through files of their own folder: the codecs read files, and a damaged source must fail before the first byte goes out. */
async function sendRecompressed(
  content: ClearContent,
  form: 'gzip' | 'bzip2',
  { output, storage, name }: SendOptions,
): Promise<void> {
  const codec = codecFor(form);
  if (codec === undefined) throw new OperatorError('usage', `${form} is not an output compression`);
  await using folder = await makeScratchFolder('wal');
  const plain = join(folder.path, 'plain');
  await fillFile(plain, async (to) => {
    await decompressChecked(content, { output: () => Promise.resolve(to), storage, name });
  });
  const compressed = join(folder.path, 'compressed');
  await codec.compress(plain, compressed, 'medium', storage);
  await pipeline(createReadStream(compressed), await output(), { end: false });
}

async function hasVanished(path: string, storage: WalStorage): Promise<boolean> {
  try {
    await formOf(path, storage);
    return false;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT' || systemCodeOf(error) === 'ENOTDIR') return true;
    const isFile = systemCodeOf(error) !== 'EISDIR';
    throw new OperatorError(
      isFile ? 'wal-unreadable' : 'file-unreadable',
      `cannot read ${path}: ${systemCodeOf(error) ?? String(error)}`,
      { cause: error },
    );
  }
}
