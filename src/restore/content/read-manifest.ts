import { createReadStream } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { nameOf } from '../../shared/file-name.ts';
import { isMissing } from '../../shared/look.ts';
import { dataFolder, type SourceMember } from './backup-source.ts';

/** Sizes of the files of a backup by their paths: `base/5/1234`, `pg_tblspc/16384/PG_17_…`. */
export type ManifestSizes = ReadonlyMap<string, number>;

/** A file of a backup; its path below the data folder in bytes. */
export interface ManifestFile {
  readonly path: Buffer;
  readonly size: number;
}

/** The end of a manifest that has its checksum in it, however it is laid out. */
const checksumBytes = 256;

/** Reads a `backup_manifest`, which lies beside the tar files in clear; undefined before PostgreSQL 13, and when it cannot be understood. */
export async function readManifest(member: SourceMember): Promise<ManifestSizes | undefined> {
  const sizes = new Map<string, number>();
  for await (const { path, size } of manifestFiles(member)) sizes.set(nameOf(path), size);
  return sizes.size === 0 ? undefined : sizes;
}

/** The files that a `backup_manifest` names, one after the other: their number is no matter. None when there is no manifest, or none that can be understood. */
export async function* manifestFiles(member: SourceMember): AsyncGenerator<ManifestFile> {
  const path = join(dataFolder(member), 'backup_manifest');
  let isByLine = false;
  try {
    // PostgreSQL, Barman and we write a line for each file
    for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
      const file = fileOf(parse(line.trim().replace(/,$/, '')));
      if (file === undefined) continue;
      isByLine = true;
      yield file;
    }
    if (!isByLine) yield* filesOf(parse(await readFile(path, 'utf8')));
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** Whether the manifest of a backup is there to its end, which is a checksum of all before it. */
export async function manifestState(member: SourceMember): Promise<'whole' | 'missing' | 'cut short'> {
  try {
    await using file = await open(join(dataFolder(member), 'backup_manifest'), 'r');
    const { size } = await file.stat();
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(checksumBytes),
      0,
      checksumBytes,
      Math.max(0, size - checksumBytes),
    );
    return buffer.toString('latin1', 0, bytesRead).includes('"Manifest-Checksum"') ? 'whole' : 'cut short';
  } catch (error) {
    if (isMissing(error)) return 'missing';
    throw error;
  }
}

function* filesOf(manifest: unknown): Generator<ManifestFile> {
  if (typeof manifest !== 'object' || manifest === null || !('Files' in manifest) || !Array.isArray(manifest.Files)) return;
  for (const one of manifest.Files as readonly unknown[]) {
    const file = fileOf(one);
    if (file !== undefined) yield file;
  }
}

function fileOf(value: unknown): ManifestFile | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { Path: path, 'Encoded-Path': encoded, Size: size } = value as Record<string, unknown>;
  if (typeof size !== 'number') return undefined;
  if (typeof path === 'string') return { path: Buffer.from(path, 'utf8'), size };
  return typeof encoded === 'string' ? { path: Buffer.from(encoded, 'hex'), size } : undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // sizes are then counted in the tar files
  }
}
