import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** Digest of a file's bytes as they are, in hexadecimal. */
export async function digestOfFile(path: string, digest: 'sha256' | 'md5' = 'sha256'): Promise<string> {
  const hash = createHash(digest);
  const content = createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>; // no encoding is set
  for await (const chunk of content) hash.update(chunk);
  return hash.digest('hex');
}
