import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { extract, type Header } from 'tar-stream';
import { decompress, detectCompressionOf } from '../compression/all-codecs.ts';
import { type CodecSurroundings, contentOf } from '../compression/codec.ts';
import { namesIn } from '../shared/look.ts';
import { messageOf, OperatorError } from '../shared/operator-error.ts';

/** One member of a tar stream. */
type Entry = AsyncIterable<Buffer> & { readonly header: Header; resume(): void };

const mostLabelBytes = 64 * 1024;

/**
 * The text of `backup_label` below `base/ID/data`: a file of its own, or a member of `base.tar`, whatever its compression.
 * @throws OperatorError `file-unreadable`
 */
export async function readBackupLabel(dataFolder: string, surroundings: CodecSurroundings): Promise<string> {
  const names = await namesIn(dataFolder);
  const archive = names.find((name) => /^base\.tar(\.\w+)?$/.test(name));
  if (archive !== undefined) return await readTarredLabel(join(dataFolder, archive), surroundings);
  if (names.includes('backup_label')) return await readPlainLabel(join(dataFolder, 'backup_label'));
  throw new OperatorError('file-unreadable', `there is no backup_label in ${dataFolder}`);
}

async function readPlainLabel(path: string): Promise<string> {
  const found = await lstat(path);
  if (!found.isFile()) throw new OperatorError('file-unreadable', `${path} is no regular file`);
  if (found.size > mostLabelBytes) throw new OperatorError('file-unreadable', `${path} is too long`);
  return await readFile(path, 'utf8');
}

/**
 * The text of `backup_label` in a tar file of the data directory, which may be compressed. PostgreSQL sends it first, and no more than
 * that is read.
 * @throws OperatorError `file-unreadable` when it is not there, or the file is damaged before it
 */
async function readTarredLabel(archive: string, surroundings: CodecSurroundings): Promise<string> {
  const members = extract();
  const feeding = decompress(contentOf(archive), await detectCompressionOf(archive), { to: members, surroundings });
  const feedingEnd = feeding.then(
    () => members.end(null),
    (error: unknown) => members.destroy(error instanceof Error ? error : new Error(messageOf(error))),
  );
  try {
    for await (const member of members) {
      const entry = member as unknown as Entry; // streamx readables give buffers
      if (isLabel(entry.header)) return await textOf(entry, archive);
      entry.resume(); // it has to be read for the next one to come
    }
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    throw new OperatorError('file-unreadable', `${archive} is no complete tar file: ${messageOf(error)}`, { cause: error });
  } finally {
    await feedingEnd; // nobody takes the rest: it fails, and what was read is all that counts
  }
  throw new OperatorError('file-unreadable', `there is no backup_label in ${archive}`);
}

function isLabel({ name, type }: Header): boolean {
  return type === 'file' && name.replace(/^\.\//, '') === 'backup_label';
}

async function textOf(entry: Entry, archive: string): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of entry) {
    size += chunk.length;
    if (size > mostLabelBytes) throw new OperatorError('file-unreadable', `the backup_label in ${archive} is too long`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
