import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { writePlainContent } from '../compression/all-codecs.ts';
import type { Server } from '../config/server.ts';

/** Whether two WAL files hold the same content, each compressed or not. */
export async function holdSameWal(server: Server, one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([stat(one), stat(other)]);
  if (a.ino === b.ino && a.dev === b.dev) return true;
  return (await plainDigest(server, one)) === (await plainDigest(server, other));
}

async function plainDigest(server: Server, path: string): Promise<string> {
  const hash = createHash('sha256');
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done();
    },
  });
  await writePlainContent(path, sink, { path: server.programPath, environment: server.environment });
  return hash.digest('hex');
}
