import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { codecFor, decompress } from '../compression/all-codecs.ts';
import { levelFor } from '../compression/codec.ts';
import type { Server } from '../config/server.ts';
import { arrivalsOf, type ClearContent, formOf, readClear, storageOf, type WalStorage } from '../encryption/stored-wal.ts';
import { fillFile } from '../shared/fill-file.ts';
import type { Log } from '../shared/log.ts';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { makeScratchFolder } from '../shared/scratch-folder.ts';
import type { WalName } from '../wal/wal-name.ts';
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
}

/**
 * Sends one WAL file. A candidate that vanishes before its first byte went out is passed over for the next one.
 * @returns the path that was sent
 * @throws OperatorError `wal-not-found`
 */
export async function serveWal({ server, name, allowsPartial, form, output }: ServeOptions, log: Log): Promise<string> {
  const storage = storageOf(server);
  for (const path of walCandidates(server.layout, name, { allowsPartial })) {
    const storageHere = path.startsWith(`${server.layout.wals}/`) ? storage : arrivalsOf(storage);
    if (await hasVanished(path, storageHere)) continue;
    log.debug(`sending ${name} from ${path}`);
    await readClear(path, storageHere, async (content) => {
      await send({ content, form: formFor(path, form), output: await output(), storage: storageHere });
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

interface SendOptions {
  readonly content: ClearContent;
  readonly form: WalForm;
  readonly output: NodeJS.WritableStream;
  readonly storage: WalStorage;
}

async function send({ content, form, output, storage }: SendOptions): Promise<void> {
  if (form === 'stored' || form === (content.compression ?? 'plain')) {
    await pipeline(content.open(), output, { end: false });
  } else if (form === 'plain') {
    await decompress(content, content.compression, { to: output, surroundings: storage });
  } else {
    await sendRecompressed({ content, form, output, storage });
  }
}

/** Through files of their own folder: the codecs read files, and a damaged source must fail before the first byte goes out. */
async function sendRecompressed({ content, form, output, storage }: SendOptions): Promise<void> {
  const codec = codecFor(form);
  if (codec === undefined) throw new OperatorError('usage', `${form} is no output compression`);
  await using folder = await makeScratchFolder('wal');
  const plain = join(folder.path, 'plain');
  await fillFile(plain, async (to) => {
    await decompress(content, content.compression, { to, surroundings: storage });
  });
  const compressed = join(folder.path, 'compressed');
  await codec.compress(plain, compressed, levelFor(codec, 'medium'), storage);
  await pipeline(createReadStream(compressed), output, { end: false });
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
