import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { isDamage } from '../compression/codec.ts';
import type { Server } from '../config/server.ts';
import { arrivalsOf, formOf, storageOf, type WalStorage, writePlainWal } from '../encryption/stored-wal.ts';
import { validEnd } from '../wal/valid-end.ts';
import { digestOfFile } from './digest-of-file.ts';
import { wasSealedFrom } from './prepare-wal.ts';

/**
 * Whether a file that arrived and an archived one hold the same WAL, each compressed, encrypted or not. One that is damaged is the same
 * as no other.
 * @throws OperatorError `decryption-failed` when an encrypted file cannot be read and the bytes alone do not decide
 */
export async function holdSameWal(server: Server, arrived: string, archived: string): Promise<boolean> {
  const [a, b] = await Promise.all([stat(arrived), stat(archived)]);
  if (a.ino === b.ino && a.dev === b.dev) return true;
  const storage = storageOf(server);
  const arrivals = arrivalsOf(storage);
  const { encryption: ofArrived } = await formOf(arrived, arrivals);
  const { encryption: ofArchived } = await formOf(archived, storage);
  const isSealed = ofArrived !== undefined || ofArchived !== undefined;
  // encrypting twice never gives the same bytes, but a file can be sent twice as it is
  if (isSealed && a.size === b.size && (await digestOfFile(arrived)) === (await digestOfFile(archived))) return true;
  if (isSealed && (await wasSealedFrom(server.layout, arrived, archived))) return true;
  const digest = await plainDigest(arrived, arrivals);
  return digest !== undefined && digest === (await plainDigest(archived, storage));
}

/** Undefined for a file whose compressed content is damaged. */
async function plainDigest(path: string, storage: WalStorage): Promise<string | undefined> {
  const hash = createHash('sha256');
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done();
    },
  });
  try {
    await writePlainWal(path, sink, storage);
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
  return hash.digest('hex');
}

/** Two of them are held in memory. */
const mostPartialBytes = 32 << 20;

/**
 * How a partial segment that arrived compares with the archived one of that name: both are copies of one segment that ended early, by the
 * receiver and by the server that was promoted, and what lies behind their last valid record means nothing.
 * @returns `longer` when the arrived one has all records of the other and more, `contained` when it has no more
 */
export async function comparePartials(
  server: Server,
  arrived: string,
  archived: string,
): Promise<'longer' | 'contained' | 'different'> {
  const storage = storageOf(server);
  const [a, b] = [await plainBytes(arrived, arrivalsOf(storage)), await plainBytes(archived, storage)];
  const [endOfA, endOfB] = [validEndOf(a), validEndOf(b)];
  if (a === undefined || b === undefined || endOfA === undefined || endOfB === undefined) return 'different';
  const common = Math.min(endOfA, endOfB);
  if (!a.subarray(0, common).equals(b.subarray(0, common))) return 'different';
  return endOfA > endOfB ? 'longer' : 'contained';
}

function validEndOf(segment: Buffer | undefined): number | undefined {
  return segment === undefined ? undefined : validEnd(segment);
}

/** The plain bytes of a stored segment; undefined for what is damaged, or too large to be looked at. */
export async function plainBytes(path: string, storage: WalStorage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > mostPartialBytes) {
        done(new Error('too large'));
        return;
      }
      chunks.push(chunk);
      done();
    },
  });
  try {
    await writePlainWal(path, sink, storage);
    return Buffer.concat(chunks);
  } catch (error) {
    if (isDamage(error) || bytes > mostPartialBytes) return undefined;
    throw error;
  }
}
