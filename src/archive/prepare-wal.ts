import type { BigIntStats } from 'node:fs';
import { chmod, copyFile, link, readFile, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { WalEntry } from '../catalog/index/wal-entry.ts';
import type { ServerLayout } from '../catalog/server-layout.ts';
import { walArchiveOf } from '../catalog/wal/wal-archive.ts';
import { codecFor } from '../compression/all-codecs.ts';
import type { Server } from '../config/server.ts';
import { encryptFile } from '../encryption/gpg.ts';
import { arrivalsOf, formOf, storageOf, type WalStorage } from '../encryption/stored-wal.ts';
import { syncFile, writeFileDurably } from '../shared/durable-file.ts';
import { isRecord } from '../shared/is-record.ts';
import { isMissing, sizeAndTime } from '../shared/look.ts';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import type { WalName } from '../wal/wal-name.ts';

/** A WAL file that lies, whole and synced, where the archive takes it. */
export interface PreparedWal {
  readonly entry: WalEntry;
  readonly source: string;
  readonly temporary: string;
  /** The identity of the source when it was read; only for files that were encrypted here. */
  readonly sealedFrom: FileIdentity | undefined;
  /** Takes the place of an archived file that cannot be read. */
  readonly replaces?: true;
}

/** A file as it was when it was looked into. */
interface SeenSource {
  readonly source: string;
  readonly seen: FileIdentity;
}

/** Suffixes of files that are not in the archive yet; what a crash leaves is overwritten by the next run. */
const temporarySuffix = '.compressed';
const encryptedSuffix = '.gpg';

/**
 * Puts a copy of `source` beside its place in the archive: compressed when the server asks for it and the file is not compressed
 * already, then encrypted when the server asks for that; else a second link to it, else (on another file system) a copy. Mode and time
 * are those of the source.
 */
export async function prepareWal(server: Server, name: WalName, { source, seen }: SeenSource): Promise<PreparedWal> {
  const compressed = await walArchiveOf(server.layout).stagingPath(name, temporarySuffix);
  const encrypted = `${compressed}${encryptedSuffix}`;
  await removeAll([compressed, encrypted]);
  try {
    const identity = await identityOf(source);
    const stored = await store(server, { source, compressed, encrypted });
    await syncFile(stored.temporary);
    if ((await movableIdentityOf(source)) !== seen) throw changedMeanwhile(source);
    const { size } = await sizeAndTime(stored.temporary);
    const { time } = await sizeAndTime(source);
    const { temporary, compression, encryption } = stored;
    const entry = { name, size, time, compression, encryption };
    return { entry, source, temporary, sealedFrom: temporary === encrypted ? identity : undefined };
  } catch (error) {
    await removeAll([compressed, encrypted]); // on a full disk half a copy would only be in the way
    throw error;
  }
}

/** The stored file may be incomplete. */
function changedMeanwhile(source: string): OperatorError {
  return new OperatorError('wal-not-archived', `${source} changed while it was archived: the next run archives it`);
}

/** Removes what was prepared and will not be used. */
export async function discardPrepared({ temporary }: PreparedWal): Promise<void> {
  await rm(temporary, { force: true });
}

interface Paths {
  readonly source: string;
  readonly compressed: string;
  readonly encrypted: string;
}

type Stored = Pick<PreparedWal, 'temporary'> & Pick<WalEntry, 'compression' | 'encryption'>;

async function store(server: Server, { source, compressed, encrypted }: Paths): Promise<Stored> {
  const { options } = server.config;
  const storage = arrivalsOf(storageOf(server));
  const found = await formOf(source, storage);
  const isEncryptedHere = options.encryption !== undefined && found.encryption === undefined;
  const isCompressedHere =
    options.compression !== undefined && found.compression === undefined && found.encryption === undefined;
  if (!isEncryptedHere && !isCompressedHere) {
    await linkOrCopy(source, compressed);
    return { temporary: compressed, compression: found.compression ?? null, encryption: found.encryption ?? null };
  }
  const compression = isCompressedHere ? await compress(server, { source, to: compressed, storage }) : found.compression;
  if (!isEncryptedHere) {
    await takeModeAndTime(source, compressed);
    return { temporary: compressed, compression: compression ?? null, encryption: null };
  }
  await encrypt(server, isCompressedHere ? compressed : source, encrypted);
  await rm(compressed, { force: true });
  await takeModeAndTime(source, encrypted);
  return { temporary: encrypted, compression: compression ?? null, encryption: options.encryption };
}

interface Compressing {
  readonly source: string;
  readonly to: string;
  readonly storage: WalStorage;
}

/** The name of the compression for the index. */
async function compress({ config: { options } }: Server, { source, to, storage }: Compressing): Promise<string> {
  const codec = codecFor(options.compression ?? '', storage.custom);
  if (codec === undefined) {
    throw new OperatorError('configuration-invalid', 'compression = custom needs custom_compression_filter', {
      hint: 'and custom_decompression_filter to read the files again; until then no WAL is archived',
    });
  }
  await codec.compress(source, to, options.compression_level, storage);
  return codec.family;
}

/** Never falls back to storing the file as it is. */
async function encrypt({ config: { options }, ...server }: Server, from: string, to: string): Promise<void> {
  if (options.encryption_key_id === undefined) {
    throw new OperatorError('configuration-invalid', `encryption = ${options.encryption ?? ''} needs encryption_key_id`, {
      hint: 'until then no WAL is archived',
    });
  }
  await encryptFile(from, to, {
    recipient: options.encryption_key_id,
    path: server.programPath,
    environment: server.environment,
  });
}

async function removeAll(paths: readonly string[]): Promise<void> {
  for (const path of paths) await rm(path, { force: true });
}

async function linkOrCopy(source: string, temporary: string): Promise<void> {
  try {
    await link(source, temporary);
  } catch (error) {
    // another file system, one without hard links, or a source that belongs to somebody else (fs.protected_hardlinks)
    if (!['EXDEV', 'EPERM', 'EMLINK', 'EOPNOTSUPP', 'ENOTSUP', 'EACCES'].includes(systemCodeOf(error) ?? '')) throw error;
    await copyFile(source, temporary);
    await takeModeAndTime(source, temporary);
  }
}

async function takeModeAndTime(source: string, temporary: string): Promise<void> {
  const { mode, atime, mtime } = await stat(source);
  await chmod(temporary, mode & 0o7777);
  await utimes(temporary, atime, mtime);
}

/** The identity of a file as it is now: different for every other file, and after a change. */
export type FileIdentity = string;

/** A file that arrived in clear, and the encrypted copy of it that goes into the archive. */
export interface SealedArrival {
  readonly source: string;
  readonly arrived: FileIdentity;
  readonly stored: FileIdentity;
}

/** Of a file that stays where it is: the time of its last change of any kind is a part of it, because an inode is soon used again. */
async function identityOf(path: string): Promise<FileIdentity> {
  const found = await stat(path, { bigint: true });
  return `${movableIdentityIn(found)} ${String(found.ctimeNs)}`;
}

/** Of a file that is going to be renamed. */
export async function movableIdentityOf(path: string): Promise<FileIdentity> {
  return movableIdentityIn(await stat(path, { bigint: true }));
}

function movableIdentityIn({ ino, size, mtimeNs }: BigIntStats): FileIdentity {
  return [ino, size, mtimeNs].join(' ');
}

/**
 * Notes durably what is about to be renamed into the archive. Most backup hosts have no passphrase: after a crash, nothing else tells
 * that a file which still lies where it arrived is the one that the encrypted one was made of. Older notes stay while their sources do.
 */
export async function noteSealed(layout: ServerLayout, sealed: readonly SealedArrival[]): Promise<void> {
  if (sealed.length === 0) return;
  const waiting: SealedArrival[] = [];
  for (const known of await readSealed(layout)) if (await isStill(identityOf(known.source), known.arrived)) waiting.push(known);
  await writeFileDurably(notePath(layout), JSON.stringify([...waiting, ...sealed]), { mode: 0o600 });
}

/** Whether the archived file is noted as the encrypted copy of the one that arrived, and both are what they were. */
export async function wasSealedFrom(layout: ServerLayout, arrived: string, archived: string): Promise<boolean> {
  for (const { source, arrived: before, stored } of await readSealed(layout)) {
    if (
      source === arrived &&
      (await isStill(identityOf(arrived), before)) &&
      (await isStill(movableIdentityOf(archived), stored))
    )
      return true;
  }
  return false;
}

async function isStill(now: Promise<FileIdentity>, before: FileIdentity): Promise<boolean> {
  try {
    return (await now) === before;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

function notePath({ root }: ServerLayout): string {
  return join(root, '.pgcellar', 'sealed-arrivals');
}

/** None where the note is missing or makes no sense: then the passphrase decides. */
async function readSealed(layout: ServerLayout): Promise<readonly SealedArrival[]> {
  try {
    const value: unknown = JSON.parse(await readFile(notePath(layout), 'utf8'));
    return Array.isArray(value) ? value.filter(isSealedArrival) : [];
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return [];
    throw error;
  }
}

function isSealedArrival(value: unknown): value is SealedArrival {
  return isRecord(value) && ['source', 'arrived', 'stored'].every((key) => typeof value[key] === 'string');
}
