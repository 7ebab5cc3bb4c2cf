import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileDurably } from '../shared/durable-file.ts';
import { bytesOf, onDisk } from '../shared/file-name.ts';
import { formatJson } from '../shared/format-json.ts';
import { entriesIn, namesIn, pathExists } from '../shared/look.ts';
import { OperatorError } from '../shared/operator-error.ts';

const name = 'backup_manifest';

/**
 * Writes the manifest of a file-level backup into its data folder: SHA-256, size and time of every file there, tablespaces aside, in the
 * format of PostgreSQL's own (docs/reference/engine.md section 13).
 * @throws OperatorError `backup-refused` when there is one already
 */
export async function writeManifest(dataFolder: string): Promise<void> {
  const path = join(dataFolder, name);
  if (await pathExists(path)) {
    throw new OperatorError('backup-refused', `File ${path} already exists.`, {
      hint: 'pg_basebackup wrote it, or an earlier generate-manifest did',
    });
  }
  for (const left of (await namesIn(dataFolder)).filter(isOwnTemporary)) await rm(join(dataFolder, left)); // of one that was killed
  await writeFileDurably(path, linesOf(dataFolder));
}

/** The whole text, line by line: its length is no matter. */
async function* linesOf(dataFolder: string): AsyncGenerator<string> {
  const checksum = createHash('sha256');
  const counted = (text: string): string => {
    checksum.update(text);
    return text;
  };
  yield counted('{"PostgreSQL-Backup-Manifest-Version": 1,\n"Files": [\n');
  let separator = '';
  for await (const file of pathsBelow(dataFolder, '')) {
    yield counted(separator + (await lineOf(dataFolder, file)));
    separator = ',\n';
  }
  yield counted('],\n');
  yield `"Manifest-Checksum": "${checksum.digest('hex')}"}\n`;
}

/** In the order of whole paths. */
async function* pathsBelow(root: string, folder: string): AsyncGenerator<string> {
  const entries = await entriesIn(join(root, folder));
  const names = entries.flatMap((entry) => (entry.isDirectory() ? [`${entry.name}/`] : entry.isFile() ? [entry.name] : []));
  for (const name of names.toSorted()) {
    if (name.endsWith('/')) yield* pathsBelow(root, folder + name);
    else if (folder !== '' || !isOwnTemporary(name)) yield folder + name;
  }
}

/** The manifest as it is being written. */
function isOwnTemporary(file: string): boolean {
  return file.startsWith(`.${name}.`) && file.endsWith('.tmp');
}

async function lineOf(root: string, path: string): Promise<string> {
  const { size, mtime } = await stat(onDisk(join(root, path)));
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(onDisk(join(root, path)), { highWaterMark: 1024 * 1024 }))
    hash.update(chunk as Buffer); // no encoding is set
  const time = mtime.toISOString().slice(0, 19).replace('T', ' ');
  return `{"Checksum": "${hash.digest('hex')}", "Checksum-Algorithm": "SHA256", "Last-Modified": "${time}", ${pathMember(path)}, "Size": ${String(size)}}`;
}

/** A path that is not UTF-8 is written in hexadecimal digits, as PostgreSQL does. */
function pathMember(path: string): string {
  const bytes = bytesOf(path);
  return isUtf8(bytes) ? `"Path": ${formatJson(path)}` : `"Encoded-Path": "${bytes.toString('hex')}"`;
}
