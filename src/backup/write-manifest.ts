import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileDurably } from '../shared/durable-file.ts';
import { pathExists } from '../shared/look.ts';
import { OperatorError } from '../shared/operator-error.ts';

const name = 'backup_manifest';

/**
 * Writes the manifest of a file-level backup into its data folder: SHA-256, size and time of every file there, tablespaces aside, in the
 * format of PostgreSQL's own (engine.md section 13).
 * @throws OperatorError `backup-refused` when there is one already
 */
export async function writeManifest(dataFolder: string): Promise<void> {
  const path = join(dataFolder, name);
  if (await pathExists(path)) {
    throw new OperatorError('backup-refused', `File ${path} already exists.`, {
      hint: 'pg_basebackup wrote it, or an earlier generate-manifest did',
    });
  }
  const lines: string[] = [];
  for (const file of await pathsBelow(dataFolder)) lines.push(await lineOf(dataFolder, file));
  const head = `{"PostgreSQL-Backup-Manifest-Version": 1,\n"Files": [\n${lines.join(',\n')}],\n`;
  const checksum = createHash('sha256').update(head).digest('hex');
  await writeFileDurably(path, `${head}"Manifest-Checksum": "${checksum}"}\n`);
}

async function pathsBelow(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .toSorted();
}

async function lineOf(root: string, path: string): Promise<string> {
  const { size, mtime } = await stat(join(root, path));
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(join(root, path), { highWaterMark: 1024 * 1024 })) hash.update(chunk as Buffer); // no encoding is set
  const time = mtime.toISOString().slice(0, 19).replace('T', ' ');
  return `{"Checksum": "${hash.digest('hex')}", "Checksum-Algorithm": "SHA256", "Last-Modified": "${time}", "Path": ${asciiJson(path)}, "Size": ${String(size)}}`;
}

/** As Python writes text: everything beyond ASCII is escaped. */
function asciiJson(text: string): string {
  return JSON.stringify(text).replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
