import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { writePlainContent } from '../compression/all-codecs.ts';
import type { Server } from '../config/server.ts';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';

/** Whether two WAL files hold the same content, each compressed or not. One that is damaged is the same as no other. */
export async function holdSameWal(server: Server, one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([stat(one), stat(other)]);
  if (a.ino === b.ino && a.dev === b.dev) return true;
  const [digest, otherDigest] = [await plainDigest(server, one), await plainDigest(server, other)];
  return digest !== undefined && digest === otherDigest;
}

/** Undefined for a file whose compressed content is damaged. */

async function plainDigest(server: Server, path: string): Promise<string | undefined> {
  const hash = createHash('sha256');
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done();
    },
  });
  try {
    await writePlainContent(path, sink, { path: server.programPath, environment: server.environment });
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
  return hash.digest('hex');
}

/** zlib or a program could not make sense of the content; anything else says nothing about it. */
function isDamage(error: unknown): boolean {
  if (!(error instanceof OperatorError)) return false;
  return error.code === 'command-failed' || systemCodeOf(error.cause)?.startsWith('Z_') === true;
}
