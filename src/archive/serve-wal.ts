import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { codecFor, decompress } from '../compression/all-codecs.ts';
import type { Server } from '../config/server.ts';
import { arrivalsOf, type ClearContent, formOf, readClear, storageOf, type WalStorage } from '../encryption/stored-wal.ts';
import { copyToDescriptor } from '../shared/copy-to-descriptor.ts';
import { fillFile } from '../shared/fill-file.ts';
import type { Log } from '../shared/log.ts';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { makeScratchFolder } from '../shared/scratch-folder.ts';
import type { WalName } from '../wal/wal-name.ts';
import { walCandidates } from './find-wal.ts';
import { unfinishedCopy } from './unfinished-copy.ts';

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
 * is still being copied: PostgreSQL ends a recovery with an error when it gets a part of one.
 * @returns the path that was sent
 * @throws OperatorError `wal-not-found`
 */
export async function serveWal(options: ServeOptions, log: Log): Promise<string> {
  const { server, name, allowsPartial, form } = options;
  const storage = storageOf(server);
  for (const path of walCandidates(server.layout, name, { allowsPartial })) {
    const storageHere = path.startsWith(`${server.layout.wals}/`) ? storage : arrivalsOf(storage);
    if (await hasVanished(path, storageHere)) continue;
    if (path.startsWith(`${server.layout.incoming}/`) && unfinishedCopy(path) !== undefined) continue;
    log.debug(`sending ${name} from ${path}`);
    await readClear(path, storageHere, async (content) => {
      await send(content, { ...options, form: formFor(path, form), storage: storageHere });
    });
    return path;
  }
  throw new OperatorError('wal-not-found', `WAL file '${name}' not found in server '${server.config.name}'`);
}

/** A partial segment is never compressed for the way; one that lies in the archive may be stored compressed, and replay wants it plain. */
function formFor(path: string, form: WalForm): WalForm {
  if (!path.endsWith('.partial')) return form;
  return form === 'plain' ? 'plain' : 'stored';
}

interface SendOptions extends Pick<ServeOptions, 'form' | 'output' | 'descriptor'> {
  readonly storage: WalStorage;
}

async function send(content: ClearContent, options: SendOptions): Promise<void> {
  const { form, output, storage } = options;
  if (form === 'stored' || form === (content.compression ?? 'plain')) {
    await sendAsItIs(content, options);
  } else if (form === 'plain') {
    await decompress(content, content.compression, { to: await output(), surroundings: storage });
  } else {
    await sendRecompressed(content, form, options);
  }
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
  { output, storage }: SendOptions,
): Promise<void> {
  const codec = codecFor(form);
  if (codec === undefined) throw new OperatorError('usage', `${form} is no output compression`);
  await using folder = await makeScratchFolder('wal');
  const plain = join(folder.path, 'plain');
  await fillFile(plain, async (to) => {
    await decompress(content, content.compression, { to, surroundings: storage });
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
    throw new OperatorError('file-unreadable', `cannot read ${path}: ${systemCodeOf(error) ?? String(error)}`, {
      cause: error,
    });
  }
}
