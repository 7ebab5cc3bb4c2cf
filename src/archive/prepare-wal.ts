import { chmod, copyFile, link, mkdir, open, rm, stat, utimes } from 'node:fs/promises';
import { dirname } from 'node:path';
import { archivedWalPath } from '../catalog/archive-layout.ts';
import type { WalEntry } from '../catalog/wal-entry.ts';
import { codecFor, detectCompressionOf } from '../compression/all-codecs.ts';
import { levelFor } from '../compression/codec.ts';
import type { Server } from '../config/server.ts';
import { sizeAndTime } from '../shared/look.ts';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import type { WalName } from '../wal/wal-name.ts';

/** A WAL file that lies, whole and synced, beside its place in the archive under a temporary name. */
export interface PreparedWal {
  readonly entry: WalEntry;
  readonly source: string;
  readonly temporary: string;
  readonly destination: string;
}

/** Suffix of files that are not in the archive yet; what a crash leaves is overwritten by the next run. */
const temporarySuffix = '.compressed';

/**
 * Puts a copy of `source` beside its place in the archive: compressed when the server asks for it and the file is not compressed
 * already, else a second link to it, else (on another file system) a copy. Mode and time are those of the source.
 */
export async function prepareWal(server: Server, name: WalName, source: string): Promise<PreparedWal> {
  const destination = archivedWalPath(server.layout, name);
  const temporary = `${destination}${temporarySuffix}`;
  await mkdir(dirname(destination), { recursive: true });
  await rm(temporary, { force: true });
  try {
    const compression = await fill(server, source, temporary);
    const { size } = await sizeAndTime(temporary);
    const { time } = await sizeAndTime(source);
    return { entry: { name, size, time, compression, encryption: null }, source, temporary, destination };
  } catch (error) {
    await rm(temporary, { force: true }); // on a full disk half a copy would only be in the way
    throw error;
  }
}

async function fill(server: Server, source: string, temporary: string): Promise<string | null> {
  const { compression, compression_level: level } = server.config.options;
  const found = await detectCompressionOf(source);
  if (compression === undefined || found !== undefined) {
    await linkOrCopy(source, temporary);
    await sync(temporary);
    return found ?? null;
  }
  const codec = codecFor(compression);
  if (codec === undefined) {
    throw new OperatorError('not-available-yet', `compression = ${compression} is not available yet in pgcellar`, {
      hint: 'use gzip, bzip2, xz, zstd or lz4; until then WAL stays where it arrives',
    });
  }
  const surroundings = { path: server.programPath, environment: server.environment };
  await codec.compress(source, temporary, levelFor(codec, level), surroundings);
  await takeModeAndTime(source, temporary);
  await sync(temporary);
  return codec.name;
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

async function sync(path: string): Promise<void> {
  await using file = await open(path, 'r');
  await file.sync();
}
