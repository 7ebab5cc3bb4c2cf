import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { KnownCluster } from '../catalog/identity.ts';
import { describeWal } from '../catalog/index/describe-wal.ts';
import { WalIndex } from '../catalog/index/wal-index.ts';
import { readSegmentContent } from '../catalog/wal/segment-content.ts';
import { walArchiveOf } from '../catalog/wal/wal-archive.ts';
import type { Server } from '../config/server.ts';
import { storageOf, type WalStorage } from '../encryption/stored-wal.ts';
import type { Context } from '../shared/context.ts';
import { syncFile, syncFolder } from '../shared/durable-file.ts';
import { isMissing, pathExists } from '../shared/look.ts';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { type WalName, walKindOf } from '../wal/wal-name.ts';
import { comparePartials, holdSameWal } from './compare-wals.ts';
import { judgeArrival } from './judge-arrival.ts';
import { channelFolder } from './list-arrivals.ts';
import type { ArrivalChannel } from './plan-arrivals.ts';
import { type PreparedWal, prepareWal } from './prepare-wal.ts';
import { rejectWal } from './reject-wal.ts';
import { type FileIdentity, movableIdentityOf } from './sealed-arrivals.ts';

/** What no file can be archived without: going on with the next one would fail, too. */
const exhaustion = ['ENOSPC', 'EDQUOT', 'EROFS', 'EMFILE', 'ENFILE'];

/** What happened to one file. */
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

/** What became of one file before anything is renamed into the archive. */
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
  /** What the catalog belongs to, where that is known. */
  readonly cluster: KnownCluster | undefined;
}

/** Prepares a file for the archive, or settles what is there already. Never rejects: a failure is the file's own. */
export async function takeArrival(name: WalName, { server, channel, cluster }: Arrived, context: Context): Promise<Taken> {
  const source = join(channelFolder(server.layout, channel), name);
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
      context.log.warning(`${destination} cannot be read: a whole copy of it has arrived and takes its place`);
      return { kind: 'prepared', prepared: { ...(await prepareWal(server, name, { source, seen })), replaces: true } };
    }
    const compared = walKindOf(name) === 'partial' ? await comparePartials(server, source, destination) : 'different';
    if (compared === 'longer') {
      context.log.info(`${name} has more records than the archived one, and takes its place`);
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
