import { stat } from 'node:fs/promises';
import { Writable } from 'node:stream';
import type { KnownCluster } from '../catalog/identity.ts';
import { readSegmentContent, type SegmentContent } from '../catalog/wal/segment-content.ts';
import { decompress } from '../compression/all-codecs.ts';
import { contentOf, damageOf, isDamage } from '../compression/codec.ts';
import type { Server } from '../config/server.ts';
import { arrivalsOf, formOf, storageOf, type WalStorage } from '../encryption/stored-wal.ts';
import type { Clock } from '../shared/clock.ts';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { formatSize } from '../shared/units.ts';
import { type FirstPage, misplacement } from '../wal/first-page.ts';
import { segmentOf, type WalName } from '../wal/wal-name.ts';
import { mostArrivingBytes } from './receive-member.ts';

/** Whether a file may enter the archive. */
export type ArrivalVerdict =
  /** `isWholeSegment` is not known of what is encrypted, or of a kind that nobody knows. */
  | { readonly kind: 'fit'; readonly isWholeSegment: boolean }
  /** Somebody may still be writing it. */
  | { readonly kind: 'growing' }
  /** Not all of it is there, or it cannot be read, and nobody adds to it. */
  | { readonly kind: 'stuck'; readonly error: unknown }
  /** WAL, and not what its name says here. */
  | { readonly kind: 'foreign' | 'misnamed'; readonly problem: string };

interface Arrived {
  readonly server: Server;
  readonly name: WalName;
  readonly path: string;
  /** Under its final name it is all there, as in the receiver's folder. */
  readonly isFinished: boolean;
  readonly cluster: KnownCluster | undefined;
}

/** No copy of a segment stands still for so long and goes on. */
export const mostStillMs = 60_000;
/** A history or label is a few lines; what unpacks to more is something else. */
const mostTextBytes = 1 << 20;

/**
 * Looks into a file before it is archived: WAL has to be whole, of this cluster and of the place that its name says; what is compressed
 * has to decompress to that. What cannot be seen into, because it is encrypted or of a kind that nobody knows, has to stand still.
 * @throws what the file system says
 */
export async function judgeArrival(arrived: Arrived, { clock }: { readonly clock: Clock }): Promise<ArrivalVerdict> {
  const { server, name, path } = arrived;
  const isSettled = arrived.isFinished || (await hasSettled(path, clock));
  const storage = arrivalsOf(storageOf(server));
  try {
    const { size } = await stat(path);
    if (size > mostArrivingBytes(name)) {
      const error = notAllThere(path, `has ${formatSize(size)}: PostgreSQL makes no such file as large`);
      return isSettled ? { kind: 'stuck', error } : { kind: 'growing' };
    }
    if (segmentOf(name) === undefined || name.endsWith('.backup')) return await judgeText(path, storage, isSettled);
    const content = await readSegmentContent(path, storage);
    return judgeSegment(content, arrived, isSettled);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') throw error;
    return isSettled ? { kind: 'stuck', error } : { kind: 'growing' };
  }
}

/**
 * Whether nobody writes into a file any more: it has stood still for a minute, or something was done to it after the last byte, as a
 * rename, a `chmod` or a time stamp at the end of a copy.
 */
async function hasSettled(path: string, clock: Clock): Promise<boolean> {
  const { mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  if (mtimeNs !== ctimeNs) return true;
  return Math.abs(clock.now().getTime() - Number(mtimeNs / 1_000_000n)) > mostStillMs;
}

function judgeSegment(content: SegmentContent, { name, path, cluster }: Arrived, isSettled: boolean): ArrivalVerdict {
  const notWhole = (problem: string): ArrivalVerdict =>
    isSettled ? { kind: 'stuck', error: notAllThere(path, problem) } : { kind: 'growing' };
  switch (content.kind) {
    case 'whole':
      return judgePage(content.page, name, cluster) ?? { kind: 'fit', isWholeSegment: true };
    case 'piece':
      return (
        judgePage(content.page, name, cluster) ??
        notWhole(`has ${String(content.bytes)} of ${String(content.page.segmentSize)} bytes`)
      );
    case 'unwritten':
      return notWhole(content.bytes === 0 ? 'is empty' : 'begins with zeros, not with a page of WAL');
    case 'damaged':
      return notWhole(`cannot be decompressed: ${content.reason}`);
    case 'sealed':
      return isSettled ? { kind: 'fit', isWholeSegment: false } : { kind: 'growing' };
    case 'foreign-matter':
      if (content.compression !== undefined) return notWhole(`is compressed with ${content.compression}, and holds no WAL`);
      return isSettled ? { kind: 'fit', isWholeSegment: false } : { kind: 'growing' };
  }
}

/** Why WAL that begins with this page must not enter; undefined when it may. */
function judgePage(page: FirstPage, name: WalName, cluster: KnownCluster | undefined): ArrivalVerdict | undefined {
  const found = String(page.systemid);
  if (cluster !== undefined && cluster.systemid !== found) {
    const problem = `it belongs to another cluster: its system identifier is ${found}, that of ${cluster.source} is ${cluster.systemid}`;
    return { kind: 'foreign', problem };
  }
  const segment = segmentOf(name);
  const problem = segment === undefined ? undefined : misplacement(page, segment);
  return problem === undefined ? undefined : { kind: 'misnamed', problem };
}

function notAllThere(path: string, problem: string): OperatorError {
  return new OperatorError('wal-not-archived', `${path} ${problem}`, {
    hint: 'it does not grow: if PostgreSQL still has the file, remove this copy, and archive_command copies it again',
  });
}

/** Of a history or a label; what is compressed has to have an end. */
async function judgeText(path: string, storage: WalStorage, isSettled: boolean): Promise<ArrivalVerdict> {
  const { compression, encryption } = await formOf(path, storage);
  const fit: ArrivalVerdict = { kind: 'fit', isWholeSegment: false };
  if (encryption !== undefined) return isSettled ? fit : { kind: 'growing' };
  if (compression === undefined) return fit;
  const stuck = (problem: string): ArrivalVerdict =>
    isSettled ? { kind: 'stuck', error: notAllThere(path, problem) } : { kind: 'growing' };
  let bytes = 0;
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > mostTextBytes) done(new Error('too long'));
      else done();
    },
  });
  try {
    await decompress(contentOf(path), compression, { to: sink, surroundings: storage });
  } catch (error) {
    if (bytes > mostTextBytes) return stuck(`unpacks to more than ${String(mostTextBytes)} bytes`);
    if (isDamage(error)) return stuck(`cannot be decompressed: ${damageOf(error)}`);
    throw error;
  }
  return bytes === 0 ? stuck('is empty when it is unpacked') : fit;
}
