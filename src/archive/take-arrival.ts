import { rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Writable } from 'node:stream';
import type { KnownCluster } from '../catalog/identity.ts';
import { describeWal } from '../catalog/index/lines-of-archive.ts';
import { WalIndex } from '../catalog/index/wal-index.ts';
import { type ArrivalChannel, arrivalFolder } from '../catalog/server-layout.ts';
import { readSegmentContent, type SegmentContent } from '../catalog/wal/segment-content.ts';
import { walArchiveOf } from '../catalog/wal/wal-archive.ts';
import { decompress } from '../compression/all-codecs.ts';
import { contentOf, damageOf, isDamage } from '../compression/codec.ts';
import type { Server } from '../config/server.ts';
import { arrivalsOf, formOf, storageOf, type WalStorage } from '../encryption/stored-wal.ts';
import type { Clock } from '../shared/clock.ts';
import type { Context } from '../shared/context.ts';
import { syncFile, syncFolder } from '../shared/durable-file.ts';
import { isMissing, pathExists } from '../shared/look.ts';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { formatSize } from '../shared/units.ts';
import { type FirstPage, misplacement, mostArrivingBytes, segmentOf, type WalName, walKindOf } from '../wal/wal-name.ts';
import { comparePartials, holdSameWal } from './compare-wals.ts';
import { type FileIdentity, movableIdentityOf, type PreparedWal, prepareWal } from './prepare-wal.ts';
import { rejectWal } from './reject-wal.ts';

/** The conditions without which no file can be archived: the next one would fail, too. */
const exhaustion = ['ENOSPC', 'EDQUOT', 'EROFS', 'EMFILE', 'ENFILE'];

/** The outcome for one file. */
export type ArrivalOutcome =
  | { readonly kind: 'archived'; readonly name: string }
  | { readonly kind: 'known-already'; readonly name: string }
  | { readonly kind: 'duplicate'; readonly name: string; readonly movedTo: string }
  | { readonly kind: 'unknown'; readonly name: string; readonly movedTo: string }
  | {
      readonly kind: 'foreign' | 'misnamed';
      readonly name: string;
      readonly movedTo: string;
      readonly problem: string;
    };

/** The outcome for one file before it is renamed into the archive. */
export type Taken =
  | { readonly kind: 'prepared'; readonly prepared: PreparedWal }
  | { readonly kind: 'settled'; readonly outcome: ArrivalOutcome }
  | { readonly kind: 'vanished' }
  /** Stays for the next run, because somebody may still be writing it. */
  | { readonly kind: 'growing'; readonly name: WalName }
  /** Stays until somebody does something about it. */
  | { readonly kind: 'held-back'; readonly name: WalName; readonly error: unknown }
  | { readonly kind: 'failed'; readonly name: WalName; readonly error: unknown };

interface Arrived {
  readonly server: Server;
  readonly channel: ArrivalChannel;
  /** The cluster of the catalog, where that is known. */
  readonly cluster: KnownCluster | undefined;
}

/** Prepares a file for the archive, or settles what is there already. Never rejects: a failure is the file's own. */
export async function takeArrival(name: WalName, { server, channel, cluster }: Arrived, context: Context): Promise<Taken> {
  const source = join(arrivalFolder(server.layout, channel), name);
  try {
    if (!(await pathExists(source))) return { kind: 'vanished' };
    const seen = await movableIdentityOf(source);
    const verdict = await judgeArrival({ server, name, path: source, isFinished: channel === 'streaming', cluster }, context);
    if (verdict.kind === 'growing') return { kind: 'growing', name };
    if (verdict.kind === 'foreign' || verdict.kind === 'misnamed') {
      const movedTo = await rejectWal(server.layout, source, { reason: verdict.kind, now: context.clock.now() });
      return { kind: 'settled', outcome: { ...verdict, name, movedTo } };
    }
    const isTaken = await walArchiveOf(server.layout).has(name);
    if (verdict.kind === 'stuck' && !(isTaken && isNotAllThere(verdict.error)))
      return { kind: 'held-back', name, error: verdict.error };
    const arrival = { server, name, source, seen, isWhole: verdict.kind === 'fit' && verdict.isWholeSegment };
    if (isTaken) return await settleExisting(arrival, context);
    return { kind: 'prepared', prepared: await prepareWal(server, name, { source, seen }) };
  } catch (error) {
    if (isMissing(error) && !(await pathExists(source).catch(() => true))) return { kind: 'vanished' };
    return { kind: 'failed', name, error };
  }
}

/** Lies beside its place in the archive. */
export function isPrepared(taken: Taken): taken is Extract<Taken, { kind: 'prepared' }> {
  return taken.kind === 'prepared';
}

/** Stays where it arrived, and is told. */
export function isLeft(taken: Taken): taken is Extract<Taken, { kind: 'failed' | 'held-back' }> {
  return taken.kind === 'failed' || taken.kind === 'held-back';
}

/** Failed for what the next file would fail for, too: no space, no descriptors. */
export function isExhausted(taken: Taken | undefined): taken is Extract<Taken, { kind: 'failed' }> {
  if (taken?.kind !== 'failed') return false;
  const { error } = taken;
  const code = systemCodeOf(error) ?? (error instanceof Error ? systemCodeOf(error.cause) : undefined);
  return code !== undefined && exhaustion.includes(code);
}

function isNotAllThere(error: unknown): boolean {
  return error instanceof OperatorError && error.code === 'wal-not-archived';
}

interface KnownName {
  readonly server: Server;
  readonly name: WalName;
  readonly source: string;
  readonly seen: FileIdentity;
  /** A whole segment, that is known. */
  readonly isWhole: boolean;
}

/**
 * The name is taken. The same content is dropped, after the index surely knows it. Other content never replaces what is there, unless
 * that surely cannot be read and what arrived can.
 */
async function settleExisting({ server, name, source, seen, isWhole }: KnownName, context: Context): Promise<Taken> {
  const destination = walArchiveOf(server.layout).pathOf(name);
  if (!(await holdSameWal(server, source, destination))) {
    if (isWhole && (await isSurelyBroken(destination, storageOf(server)))) {
      context.log.warning(`${destination} cannot be read: a complete copy has arrived and replaces it`);
      return { kind: 'prepared', prepared: { ...(await prepareWal(server, name, { source, seen })), replaces: true } };
    }
    const compared = walKindOf(name) === 'partial' ? await comparePartials(server, source, destination) : 'different';
    if (compared === 'longer') {
      context.log.info(`${name} has more records than the archived one, and replaces it`);
      return { kind: 'prepared', prepared: { ...(await prepareWal(server, name, { source, seen })), replaces: true } };
    }
    if (compared === 'contained') return await dropKnown({ server, name, source }, destination);
    const movedTo = await rejectWal(server.layout, source, { reason: 'duplicate', now: context.clock.now() });
    return { kind: 'settled', outcome: { kind: 'duplicate', name, movedTo } };
  }
  return await dropKnown({ server, name, source }, destination);
}

async function dropKnown(
  { server, name, source }: Pick<KnownName, 'server' | 'name' | 'source'>,
  destination: string,
): Promise<Taken> {
  await indexIfMissing(server, name, destination);
  await rm(source, { force: true });
  await syncFolder(dirname(source));
  return { kind: 'settled', outcome: { kind: 'known-already', name } };
}

/** A program that is missing, or a filter of the server's own that fails, says nothing about the file. */
async function isSurelyBroken(path: string, storage: WalStorage): Promise<boolean> {
  try {
    return ['piece', 'damaged', 'unwritten'].includes((await readSegmentContent(path, storage)).kind);
  } catch (error) {
    if (error instanceof OperatorError) return false;
    throw error;
  }
}

/** A crash after the rename leaves a file that the index does not name: it would never be restored, and never removed. */
async function indexIfMissing(server: Server, name: WalName, destination: string): Promise<void> {
  await using index = await WalIndex.open(server.layout);
  if ((await index.ledger()).has(name)) return;
  const entry = describeWal(destination, name, storageOf(server).custom);
  if (entry === undefined) return;
  await syncFile(destination);
  await syncFolder(dirname(destination));
  await index.append([entry]);
}

/** Whether a file may enter the archive. */
type ArrivalVerdict =
  /** `isWholeSegment` is not known of what is encrypted, or of a kind that nobody knows. */
  | { readonly kind: 'fit'; readonly isWholeSegment: boolean }
  /** Somebody may still be writing it. */
  | { readonly kind: 'growing' }
  /** Not all of it is there, or it cannot be read, and nobody adds to it. */
  | { readonly kind: 'stuck'; readonly error: unknown }
  /** WAL, and not what its name says here. */
  | { readonly kind: 'foreign' | 'misnamed'; readonly problem: string };

interface JudgedFile {
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
export async function judgeArrival(arrived: JudgedFile, { clock }: { readonly clock: Clock }): Promise<ArrivalVerdict> {
  const { server, name, path } = arrived;
  const isSettled = arrived.isFinished || (await hasSettled(path, clock));
  const storage = arrivalsOf(storageOf(server));
  try {
    const { size } = await stat(path);
    if (size > mostArrivingBytes(name)) {
      const error = notAllThere(path, `has ${formatSize(size)}, more than any such file of PostgreSQL`);
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

function judgeSegment(content: SegmentContent, { name, path, cluster }: JudgedFile, isSettled: boolean): ArrivalVerdict {
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
      if (content.compression !== undefined) return notWhole(`is compressed with ${content.compression}, and contains no WAL`);
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
    if (bytes > mostTextBytes) return stuck(`decompresses to more than ${String(mostTextBytes)} bytes`);
    if (isDamage(error)) return stuck(`cannot be decompressed: ${damageOf(error)}`);
    throw error;
  }
  return bytes === 0 ? stuck('is empty after decompression') : fit;
}
