import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, type Header } from 'tar-stream';
import type { ServerLayout } from '../catalog/server-layout.ts';
import type { Context } from '../shared/context.ts';
import { syncFolder } from '../shared/durable-file.ts';
import { isMissing } from '../shared/look.ts';
import { messageOf, OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { isAlive } from '../transport/stop-process.ts';
import { rejectWal } from './reject-wal.ts';

type DigestName = 'sha256' | 'md5';
/** One member of a tar stream. */
type Entry = AsyncIterable<Buffer> & { readonly header: Header };

interface Received {
  readonly name: string;
  readonly temporary: string;
}

interface Transfer {
  readonly files: Received[];
  /** Name to digest in hexadecimal. */
  readonly sums: Map<string, string>;
  digest: DigestName;
}

const checksumFiles: ReadonlyMap<string, DigestName> = new Map([
  ['SHA256SUMS', 'sha256'],
  ['MD5SUMS', 'md5'],
]);
const dayMs = 86_400_000;
const mostChecksumBytes = 1024 * 1024;

/**
 * Takes WAL files from a tar stream into the incoming folder (cli.md section 15.1): each needs a checksum, and nothing is published
 * before all of them fit. Returning means: synced, and found by the archiver and by get-wal.
 * @throws OperatorError `wal-stream-invalid`; nothing is published then
 */
export async function acceptWals(
  layout: ServerLayout,
  input: Readable,
  context: Pick<Context, 'clock' | 'messages'>,
): Promise<void> {
  await mkdir(layout.incoming, { recursive: true });
  await removeLeftovers(layout.incoming, context.clock.now());
  const transfer: Transfer = { files: [], sums: new Map(), digest: 'sha256' };
  try {
    await receive(layout.incoming, input, { transfer, context });
    await verify(transfer);
    for (const file of transfer.files) await publish(layout, file, { transfer, context });
    await syncFolder(layout.incoming);
  } finally {
    for (const { temporary } of transfer.files) await rm(temporary, { force: true });
  }
}

interface Receiving {
  readonly transfer: Transfer;
  readonly context: Pick<Context, 'clock' | 'messages'>;
}

async function receive(folder: string, input: Readable, { transfer, context }: Receiving): Promise<void> {
  const archive = extract();
  // ends with the archive's end mark, which a cut stream does not have
  const feeding = pipeline(input, archive);
  feeding.catch(() => undefined); // the loop below meets the same failure
  let memberCount = 0;
  try {
    for await (const entry of archive) {
      memberCount++;
      await receiveMember(folder, entry as unknown as Entry, { transfer, context }); // streamx readables give buffers
    }
    await feeding;
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    throw new OperatorError('wal-stream-invalid', `the tar stream on standard input is damaged: ${messageOf(error)}`, {
      hint: 'the sender was cut off or sent something else; PostgreSQL will send the file again',
      cause: error,
    });
  }
  if (memberCount === 0) throw new OperatorError('wal-stream-invalid', 'the tar stream on standard input is empty');
}

async function receiveMember(folder: string, entry: Entry, { transfer, context }: Receiving): Promise<void> {
  const name = memberName(entry.header);
  const digest = checksumFiles.get(name);
  if (digest !== undefined) {
    transfer.digest = digest === 'md5' ? 'md5' : transfer.digest;
    readSums(await textOf(entry), transfer.sums, context);
    return;
  }
  if (transfer.files.some((file) => file.name === name))
    throw new OperatorError('wal-stream-invalid', `'${name}' is twice in the tar stream`);
  const temporary = join(folder, `.${String(process.pid)}-${name}`);
  transfer.files.push({ name, temporary });
  await pipeline(entry, createWriteStream(temporary, { mode: 0o640 }));
  const modifiedAt = modificationTime(entry.header);
  await utimes(temporary, modifiedAt, modifiedAt);
}

/** The field of the header has whole seconds; the fraction that the client sends is in the PAX record. */
function modificationTime({ mtime, pax }: Header): Date | number {
  const precise = typeof pax === 'object' && pax !== null && 'mtime' in pax ? Number(pax.mtime) : Number.NaN;
  return Number.isFinite(precise) ? precise : mtime;
}

/** Only plain files with a plain name: nothing may reach another folder, and a name with a dot before it would never be archived. */
function memberName({ name, type }: Header): string {
  const plain = name.replace(/^(\.\/)+/, '');
  if (type !== 'file' && type !== 'contiguous-file')
    throw new OperatorError('wal-stream-invalid', `'${plain}' in the tar stream is no regular file`);
  if (plain === '' || plain.startsWith('.') || /[/\0-\x1f]/.test(plain)) {
    throw new OperatorError('wal-stream-invalid', `unsupported file name in the tar stream: ${JSON.stringify(plain)}`);
  }
  return plain;
}

function readSums(text: string, sums: Map<string, string>, { messages }: Pick<Context, 'messages'>): void {
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const [, digest, name] = /^([0-9A-Fa-f]+) [ *](.+)$/.exec(line) ?? [];
    if (digest === undefined || name === undefined) messages.warning(`ignoring a malformed line in the checksum list: ${line}`);
    else sums.set(name.replace(/^\.\//, ''), digest.toLowerCase());
  }
}

async function textOf(entry: Entry): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of entry) {
    size += chunk.length;
    if (size > mostChecksumBytes)
      throw new OperatorError('wal-stream-invalid', 'the checksum list in the tar stream is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function verify({ files, sums, digest }: Transfer): Promise<void> {
  for (const name of sums.keys()) {
    if (!files.some((file) => file.name === name)) {
      throw new OperatorError('wal-stream-invalid', `the checksum list names '${name}', which is not in the tar stream`);
    }
  }
  for (const { name, temporary } of files) {
    const expected = sums.get(name);
    if (expected === undefined) throw new OperatorError('wal-stream-invalid', `'${name}' came without a checksum`);
    const found = await digestOf(temporary, digest);
    if (found !== expected)
      throw new OperatorError('wal-stream-invalid', `the checksum of '${name}' does not match: it was damaged on its way`);
  }
}

async function publish(layout: ServerLayout, { name, temporary }: Received, { transfer, context }: Receiving): Promise<void> {
  const path = join(layout.incoming, name);
  await sync(temporary);
  const present = await digestIfThere(path, transfer.digest);
  if (present === undefined) {
    await rename(temporary, path);
    return;
  }
  if (present === transfer.sums.get(name)) {
    await sync(path); // acknowledging it means that it is on disk
    return;
  }
  const movedTo = await rejectWal(layout, temporary, { reason: 'duplicate', now: context.clock.now(), name });
  context.messages.info(`\tError: ${name} is already waiting with other content; the new one was moved to ${movedTo}`);
}

async function digestIfThere(path: string, digest: DigestName): Promise<string | undefined> {
  try {
    return await digestOf(path, digest);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function digestOf(path: string, digest: DigestName): Promise<string> {
  const hash = createHash(digest);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) hash.update(chunk); // no encoding is set
  return hash.digest('hex');
}

async function sync(path: string): Promise<void> {
  await using file = await open(path, 'r');
  await file.sync();
}

/** What a killed put-wal left: its temporary files carry its process id. */
async function removeLeftovers(folder: string, now: Date): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = /^\.(\d+)-/.exec(name)?.[1];
    if (pid === undefined) continue;
    // after a reboot the id may be another process's: no transfer takes a day
    const isOld = now.getTime() - (await changedAt(join(folder, name))) > dayMs;
    if (isOld || !isAlive(Number(pid))) await rm(join(folder, name), { force: true });
  }
}

/** When a file was last written or renamed, whatever its content's time says; now for one that is gone. */
async function changedAt(path: string): Promise<number> {
  try {
    return (await stat(path)).ctimeMs;
  } catch (error) {
    if (isMissing(error)) return Number.POSITIVE_INFINITY;
    throw error;
  }
}
