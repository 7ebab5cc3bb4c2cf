import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import { codecFor } from '../compression/all-codecs.ts';
import type { CompressionLevel } from '../compression/codec.ts';
import type { Environment } from '../shared/environment.ts';
import { messageOf, OperatorError } from '../shared/operator-error.ts';
import { makeScratchFolder } from '../shared/scratch-folder.ts';
import { startProgram } from '../transport/programs/run-program.ts';
import { type BackupHost, boundConnecting, configWords, sshFailure, sshWords } from './backup-host.ts';
import type { PutSession } from './put-session.ts';
import { SilenceWatch } from './silence-watch.ts';

export interface SendOptions {
  readonly remote: BackupHost;
  readonly serverName: string;
  readonly walPath: string;
  readonly digest: 'sha256' | 'md5';
  /** Compressed under the plain name before it is sent. */
  readonly compression: { readonly name: string; readonly level: CompressionLevel } | undefined;
  readonly environment: Environment;
  /** A call in which nothing moves for so long is given up; two minutes when left out. */
  readonly silentMs?: number;
}

/** The outcome of sending: exit code of the helper, and what to say about it. */
export interface SendOutcome {
  readonly exitCode: number;
  readonly message: string | undefined;
}

/**
 * Sends one WAL file to `put-wal` on the backup host: a tar stream with the file and the list of its checksum (docs/reference/cli.md sections 13 and
 * 15.1). Exit code 0 is the remote one: the file is stored there.
 */
export async function sendWal(options: SendOptions): Promise<SendOutcome> {
  const { walPath } = options;
  const problem = await unusable(walPath);
  if (problem !== undefined) return { exitCode: 2, message: problem };
  if (options.compression === undefined) return await transfer(walPath, options);
  await using folder = await makeScratchFolder('send');
  return await transfer(await compressInto(folder.path, options), options);
}

/**
 * As {@link sendWal}, through a session that stays open.
 * @returns undefined when the file is not surely stored: a call of its own tells why
 */
export async function sendThrough(session: PutSession, options: SendOptions): Promise<SendOutcome | undefined> {
  const { walPath, digest } = options;
  if ((await unusable(walPath)) !== undefined) return undefined;
  await using folder = options.compression === undefined ? undefined : await makeScratchFolder('send');
  let content: string;
  try {
    content = folder === undefined ? walPath : await compressInto(folder.path, options);
  } catch (error) {
    if (error instanceof OperatorError) return { exitCode: 2, message: error.message };
    throw error;
  }
  const { size } = await stat(content);
  const archive = pack();
  const filling = fill(archive, { content, walPath, digest }).catch((error: unknown) => {
    archive.destroy(error instanceof Error ? error : new Error(String(error)));
    return error instanceof OperatorError ? error.message : undefined;
  });
  const bytes = tarBytes(size, sumsLength(basename(walPath), digest));
  const isStored = await session.put(archive as unknown as Readable, bytes); // streamx speaks Node's stream protocol
  if (isStored) return { exitCode: 0, message: undefined };
  const changed = await Promise.race([filling, Promise.resolve(undefined)]); // where the session broke, it may wait for ever
  return typeof changed === 'string' ? { exitCode: 2, message: changed } : undefined;
}

/** Of a tar stream with two members: each has a header, and its bytes fill whole blocks; two empty blocks end it. */
function tarBytes(...members: readonly number[]): number {
  return members.reduce((sum, size) => sum + tarBlock + Math.ceil(size / tarBlock) * tarBlock, 2 * tarBlock);
}

const tarBlock = 512;

function sumsLength(name: string, digest: SendOptions['digest']): number {
  return (digest === 'md5' ? 32 : 64) + Buffer.byteLength(` *${name}\n`);
}

/** Asks the backup host whether it would take WAL: its answer, and its exit code as it is. */
export async function testConnection(
  options: Pick<SendOptions, 'remote' | 'serverName' | 'environment'>,
): Promise<SendOutcome> {
  const { serverName, environment } = options;
  const remote = await boundConnecting(options.remote, environment);
  const words = [...sshWords(remote), ...configWords(remote), 'put-wal', serverName, '--test'];
  const chunks: Buffer[] = [];
  const running = await startProgram(words, { environment });
  using silence = new SilenceWatch(running);
  running.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  running.stdin.end();
  const { exitCode = sshFailure, stderr } = await running.ended;
  if (silence.hasStalled) return { exitCode: sshFailure, message: silence.text };
  return { exitCode, message: `${Buffer.concat(chunks).toString('utf8')}${stderr}` };
}

async function unusable(path: string): Promise<string | undefined> {
  try {
    return (await stat(path)).isDirectory() ? `WAL_PATH cannot be a directory: ${path}` : undefined;
  } catch (error) {
    return `cannot read ${path}: ${messageOf(error)}`;
  }
}

async function compressInto(folder: string, { walPath, compression, environment }: SendOptions): Promise<string> {
  const codec = codecFor(compression?.name ?? '');
  if (codec === undefined || compression === undefined) {
    throw new OperatorError('usage', `${compression?.name ?? ''} is not a compression that can be sent`);
  }
  const target = join(folder, basename(walPath));
  const { size } = await stat(walPath);
  await codec.compress(walPath, target, compression.level, {
    path: environment['PATH'] ?? '/usr/bin:/bin',
    environment,
  });
  if ((await stat(walPath)).size !== size) throw changedMeanwhile(walPath);
  return target;
}

async function transfer(
  content: string,
  { remote: asked, serverName, walPath, digest, environment, silentMs }: SendOptions,
): Promise<SendOutcome> {
  const remote = await boundConnecting(asked, environment);
  const words = [...sshWords(remote), ...configWords(remote), 'put-wal', serverName];
  const running = await startProgram(words, { environment });
  using silence = new SilenceWatch(running, silentMs);
  running.stdout.resume();
  const archive = pack();
  const sending = pipeline(archive as unknown as NodeJS.ReadableStream, running.stdin); // streamx speaks Node's stream protocol
  const [filled, sent] = await Promise.allSettled([fill(archive, { content, walPath, digest }), sending]);
  const { exitCode, signal, stderr } = await running.ended;
  if (filled.status === 'rejected' && filled.reason instanceof OperatorError)
    return { exitCode: 2, message: filled.reason.message };
  if (exitCode === 0 && sent.status === 'fulfilled') return { exitCode: 0, message: undefined };
  const said = silence.hasStalled ? silence.text : stderr.trim();
  if (exitCode === sshFailure || silence.hasStalled)
    return { exitCode: 3, message: `SSH connection to ${remote.host} failed${said === '' ? '' : `: ${said}`}` };
  if (exitCode === 0 || exitCode === undefined)
    return {
      exitCode: 2,
      message: `the transfer of ${basename(walPath)} broke off${signal === undefined ? '' : ` (${signal})`}`,
    };
  return { exitCode, message: said === '' ? `remote put-wal ended with ${String(exitCode)}` : said };
}

interface Filling {
  readonly content: string;
  readonly walPath: string;
  readonly digest: SendOptions['digest'];
}

async function fill(archive: ReturnType<typeof pack>, { content, walPath, digest }: Filling): Promise<void> {
  const name = basename(walPath);
  const { size } = await stat(content);
  const { mtime } = await stat(walPath);
  const hash = createHash(digest);
  const entry = archive.entry({ name, size, mtime, mode: 0o600 }) as unknown as Writable; // streamx speaks Node's stream protocol
  await pipeline(hashing(createReadStream(content, { highWaterMark: 1 << 20 }), { hash, size, walPath }), entry);
  const sums = Buffer.from(`${hash.digest('hex')} *${name}\n`);
  archive.entry({ name: digest === 'md5' ? 'MD5SUMS' : 'SHA256SUMS', size: sums.length, mode: 0o600, mtime }, sums);
  archive.finalize();
}

interface Expected {
  readonly hash: Hash;
  readonly size: number;
  readonly walPath: string;
}

/**
 * Passes on the `size` bytes that the tar entry was announced with, and hashes them.
 * @throws OperatorError `file-unreadable` when there are fewer or more: somebody changes the file
 */
async function* hashing(chunks: AsyncIterable<Buffer>, { hash, size, walPath }: Expected): AsyncGenerator<Buffer> {
  let left = size;
  for await (const chunk of chunks) {
    left -= chunk.length;
    if (left < 0) break;
    hash.update(chunk);
    yield chunk;
  }
  if (left !== 0) throw changedMeanwhile(walPath);
}

function changedMeanwhile(walPath: string): OperatorError {
  return new OperatorError('file-unreadable', `${walPath} changed its length while it was sent: nothing of it is stored`);
}
