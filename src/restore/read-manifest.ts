import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing } from '../shared/look.ts';
import { dataFolder, type SourceMember } from './backup-source.ts';

/** Sizes of the files of a backup by their paths: `base/5/1234`, `pg_tblspc/16384/PG_17_…`. */
export type ManifestSizes = ReadonlyMap<string, number>;

/** Reads a `backup_manifest`, which lies beside the tar files in clear; undefined before PostgreSQL 13, and when it cannot be understood. */
export async function readManifest(member: SourceMember): Promise<ManifestSizes | undefined> {
  const text = await readText(join(dataFolder(member), 'backup_manifest'));
  const parsed: unknown = text === undefined ? undefined : parse(text);
  if (typeof parsed !== 'object' || parsed === null || !('Files' in parsed) || !Array.isArray(parsed.Files)) return undefined;
  const sizes = new Map<string, number>();
  for (const file of parsed.Files as readonly Record<string, unknown>[]) {
    const { Path: path, 'Encoded-Path': encoded, Size: size } = file;
    const name =
      typeof path === 'string'
        ? path
        : typeof encoded === 'string'
          ? Buffer.from(encoded, 'hex').toString('latin1')
          : undefined;
    if (name !== undefined && typeof size === 'number') sizes.set(name, size);
  }
  return sizes;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // sizes are then counted in the tar files
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
