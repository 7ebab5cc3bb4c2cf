import { createHash } from 'node:crypto';
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Header } from 'tar-stream';
import type { Context } from '../shared/context.ts';
import { expectedFailureOf, OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { storeSync } from '../shared/store-sync.ts';
import { formatSize } from '../shared/units.ts';
import { mostArrivingBytes } from '../wal/wal-name.ts';

/** One member of a tar stream. */
export type Entry = AsyncIterable<Buffer> & { readonly header: Header };

/** A file that waits for its checksum, under a name that no archiver looks at. */
export interface ReceivedFile {
  readonly name: string;
  readonly temporary: string;
  /** In hexadecimal, of what was written; undefined as long as something is missing. */
  sha256: string | undefined;
}

const mostChecksumBytes = 1024 * 1024;

/**
 * Writes a member into the folder; it is among `files` from the moment on that something of it can be there.
 * @throws OperatorError `file-unwritable` when the disk does not take it
 */
export async function receiveFile(
  folder: string,
  name: string,
  { entry, files }: { readonly entry: Entry; readonly files: ReceivedFile[] },
): Promise<void> {
  refuseHuge(name, entry.header);
  const temporary = join(folder, `.${String(process.pid)}-${name}`);
  const file: ReceivedFile = { name, temporary, sha256: undefined };
  files.push(file);
  const modifiedAt = modificationTime(name, entry.header);
  const hash = createHash('sha256');
  try {
    await storeSync(entry, temporary, { mode: 0o640, onPiece: (piece) => hash.update(piece) });
    file.sha256 = hash.digest('hex');
    await utimes(temporary, modifiedAt, modifiedAt);
  } catch (error) {
    throw isOfOurDisk(error) ? unwritable(folder, name, error) : error;
  }
}

function refuseHuge(name: string, { size }: Header): void {
  if (size <= mostArrivingBytes(name)) return;
  throw new OperatorError('wal-stream-invalid', `'${name}' has ${formatSize(size)}, more than any such file of PostgreSQL`);
}

/** The text of a member that is small. @throws OperatorError `wal-stream-invalid` when it is not */
export async function textOf(entry: Entry): Promise<string> {
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

/** Seconds that file systems take: until 2242. */
const mostSeconds = 2 ** 33;

/**
 * The field of the header has whole seconds; the fraction that the client sends is in the PAX record.
 * @throws OperatorError `wal-stream-invalid` for a time that no file has
 */
function modificationTime(name: string, { mtime, pax }: Header): number {
  const precise = typeof pax === 'object' && pax !== null && 'mtime' in pax ? Number(pax.mtime) : Number.NaN;
  const seconds = Number.isFinite(precise) ? precise : Number(mtime) / 1000;
  if (seconds >= 0 && seconds < mostSeconds) return seconds;
  throw new OperatorError(
    'wal-stream-invalid',
    `'${name}' is damaged: its modification time, ${String(seconds)} s since 1970, is impossible`,
  );
}

/** An error of the sender's side has no system call, or that of reading. */
function isOfOurDisk(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && error.syscall !== 'read';
}

function unwritable(folder: string, name: string, error: unknown): OperatorError {
  const hint = expectedFailureOf(error)?.hint;
  return new OperatorError('file-unwritable', `cannot store ${name} in ${folder}: ${systemCodeOf(error) ?? String(error)}`, {
    ...(hint === undefined ? {} : { hint }),
    cause: error,
  });
}

/** Of a file name, with the process id that is put before it while the file is received. */
const longestName = 200;

/**
 * The name of a file in a tar stream from outside: only plain files with a plain name. Nothing may reach another folder, and what the
 * archiver never looks at (a dot before the name, `.tmp` behind it) would be acknowledged and lost.
 * @throws OperatorError `wal-stream-invalid`
 */
export function memberName({ name, type }: Pick<Header, 'name' | 'type'>): string {
  const plain = name.replace(/^(\.\/)+/, '');
  if (type !== 'file' && type !== 'contiguous-file')
    throw new OperatorError('wal-stream-invalid', `'${plain}' in the tar stream is not a regular file`);
  const isPlain = plain !== '' && !plain.startsWith('.') && !plain.endsWith('.tmp') && !/[/\0-\x1f]/.test(plain);
  if (isPlain && Buffer.byteLength(plain) <= longestName) return plain;
  throw new OperatorError('wal-stream-invalid', `unsupported file name in the tar stream: ${JSON.stringify(plain)}`);
}

export type DigestName = 'sha256' | 'md5';

const checksumFiles: ReadonlyMap<string, DigestName> = new Map([
  ['SHA256SUMS', 'sha256'],
  ['MD5SUMS', 'md5'],
]);

/** The digest of a checksum list by its name; undefined for a file that is none. */
export function sumsDigestOf(name: string): DigestName | undefined {
  return checksumFiles.get(name);
}

/** Names and digests of a checksum list; a malformed line is told and ignored (docs/reference/cli.md section 15.1). */
export function* readChecksums(text: string, messages: Context['messages']): Generator<[name: string, sum: string]> {
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const [, digest, name] = /^([0-9A-Fa-f]+) [ *](.+)$/.exec(line) ?? [];
    if (digest === undefined || name === undefined) messages.warning(`ignoring a malformed line in the checksum list: ${line}`);
    else yield [name.replace(/^\.\//, ''), digest.toLowerCase()];
  }
}
