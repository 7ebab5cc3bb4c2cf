import { readFile } from 'node:fs/promises';
import { incrementalSize, incrementalSizeOf, wholeName } from './incremental-size.ts';

/** The size of a file of the newest backup after `pg_combinebackup`; it writes a manifest of its own. */
export async function combinedSize(path: string, size: number): Promise<number | undefined> {
  if (path.endsWith('/data/backup_manifest')) return undefined;
  if (path.endsWith('/data/backup_label')) return combinedLabel(await readFile(path, 'latin1')).length;
  return wholeName(path) === undefined ? size : ((await incrementalSize(path)) ?? size);
}

/** The same of a member of a tar file, by its path in the manifest; undefined for one that stays as it is. */
export async function combinedSizeIn(path: string, content: AsyncIterable<Buffer>): Promise<number | undefined> {
  if (path === 'backup_label') return combinedLabel(await textOf(content)).length;
  return wholeName(path) === undefined ? undefined : await incrementalSizeOf(content, 'read-on');
}

function combinedLabel(label: string): string {
  return label.replaceAll(/^INCREMENTAL FROM .*\n/gm, '');
}

/** All of a small file. */
export async function textOf(chunks: AsyncIterable<Buffer>): Promise<string> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all).toString('latin1');
}
