import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { codecFor, detectCompressionOf, writePlainContent } from '../compression/all-codecs.ts';
import { levelFor } from '../compression/codec.ts';
import type { Server } from '../config/server.ts';
import type { Log } from '../shared/log.ts';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
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
  for (const path of walCandidates(server.layout, name, { allowsPartial })) {
    const stored = await storedCompression(path);
    if (stored === 'vanished') continue;
    log.debug(`sending ${name} from ${path}`);
    await send({ server, path, stored, form: path.endsWith('.partial') ? 'stored' : form, output: await output() });
    return path;
  }
  throw new OperatorError('wal-not-found', `WAL file '${name}' not found in server '${server.config.name}'`);
}

interface SendOptions {
  readonly server: Server;
  readonly path: string;
  readonly stored: string | undefined;
  readonly form: WalForm;
  readonly output: NodeJS.WritableStream;
}

async function send({ server, path, stored, form, output }: SendOptions): Promise<void> {
  const surroundings = { path: server.programPath, environment: server.environment };
  if (form === 'stored' || form === (stored ?? 'plain')) {
    await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), output, { end: false });
  } else if (form === 'plain') {
    await writePlainContent(path, output, surroundings);
  } else {
    await sendRecompressed({ server, path, form, output });
  }
}

/** Through files of their own folder: the codecs read files, and a damaged source must fail before the first byte goes out. */
async function sendRecompressed({ server, path, form, output }: Omit<SendOptions, 'stored'>): Promise<void> {
  const surroundings = { path: server.programPath, environment: server.environment };
  const codec = codecFor(form);
  if (codec === undefined)
    throw new OperatorError('not-available-yet', `output compression ${form} is not available yet in pgcellar`);
  const folder = await mkdtemp(join(tmpdir(), 'pgcellar-wal-'));
  try {
    const plain = join(folder, 'plain');
    const sink = createWriteStream(plain);
    await writePlainContent(path, sink, surroundings);
    await new Promise<void>((resolve, reject) =>
      sink.end((error?: Error | null) => (error == null ? resolve() : reject(error))),
    );
    const compressed = join(folder, 'compressed');
    await codec.compress(plain, compressed, levelFor(codec, 'medium'), surroundings);
    await pipeline(createReadStream(compressed), output, { end: false });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function storedCompression(path: string): Promise<string | undefined> {
  try {
    return await detectCompressionOf(path);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT' || systemCodeOf(error) === 'ENOTDIR') return 'vanished';
    throw new OperatorError('file-unreadable', `cannot read ${path}: ${systemCodeOf(error) ?? String(error)}`, {
      cause: error,
    });
  }
}
