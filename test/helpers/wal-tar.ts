import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';

const sumsFiles = { sha256: 'SHA256SUMS', md5: 'MD5SUMS' } as const;

/** What `wal-archive` sends to `put-wal`: the files, then the list of their checksums. */
export async function walTar(files: ReadonlyMap<string, Buffer>, digest: keyof typeof sumsFiles = 'sha256'): Promise<Buffer> {
  const archive = pack();
  for (const [name, content] of files) archive.entry({ name, mtime: new Date(1_750_000_000_000) }, content);
  const sums = [...files].map(([name, content]) => `${createHash(digest).update(content).digest('hex')} *${name}\n`);
  archive.entry({ name: sumsFiles[digest] }, sums.join(''));
  archive.finalize();
  return await buffer(archive);
}
