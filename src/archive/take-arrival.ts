import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { archivedWalPath } from '../catalog/archive-layout.ts';
import { describeWal } from '../catalog/describe-wal.ts';
import { WalIndex } from '../catalog/wal-index.ts';
import type { Server } from '../config/server.ts';
import { storageOf } from '../encryption/stored-wal.ts';
import type { Context } from '../shared/context.ts';
import { syncFile, syncFolder } from '../shared/durable-file.ts';
import { pathExists } from '../shared/look.ts';
import { systemCodeOf } from '../shared/operator-error.ts';
import type { WalName } from '../wal/wal-name.ts';
import { holdSameWal } from './compare-wals.ts';
import { channelFolder } from './list-arrivals.ts';
import type { ArrivalChannel } from './plan-arrivals.ts';
import { type PreparedWal, prepareWal } from './prepare-wal.ts';
import { rejectWal } from './reject-wal.ts';

/** What no file can be archived without: going on with the next one would fail, too. */
const exhaustion = ['ENOSPC', 'EDQUOT', 'EROFS', 'EMFILE', 'ENFILE'];

/** What happened to one file. */
export type ArrivalOutcome =
  | { readonly kind: 'archived'; readonly name: string }
  | { readonly kind: 'known-already'; readonly name: string }
  | { readonly kind: 'duplicate'; readonly name: string; readonly movedTo: string }
  | { readonly kind: 'unknown'; readonly name: string; readonly movedTo: string };

/** What became of one file before anything is renamed into the archive. */
export type Taken =
  | { readonly kind: 'prepared'; readonly prepared: PreparedWal }
  | { readonly kind: 'settled'; readonly outcome: ArrivalOutcome }
  | { readonly kind: 'vanished' }
  | { readonly kind: 'failed'; readonly name: WalName; readonly error: unknown };

interface Place {
  readonly server: Server;
  readonly channel: ArrivalChannel;
}

/** Prepares a file for the archive, or settles what is there already. Never rejects: a failure is the file's own. */
export async function takeArrival(name: WalName, { server, channel }: Place, context: Context): Promise<Taken> {
  const source = join(channelFolder(server.layout, channel), name);
  try {
    if (await pathExists(archivedWalPath(server.layout, name)))
      return { kind: 'settled', outcome: await settleExisting(server, name, source, context) };
    if (!(await pathExists(source))) return { kind: 'vanished' };
    return { kind: 'prepared', prepared: await prepareWal(server, name, source) };
  } catch (error) {
    return { kind: 'failed', name, error };
  }
}

/** Lies beside its place in the archive. */
export function isPrepared(taken: Taken): taken is Extract<Taken, { kind: 'prepared' }> {
  return taken.kind === 'prepared';
}

/** Failed for what the next file would fail for, too: no space, no descriptors. */
export function isExhausted(taken: Taken | undefined): taken is Extract<Taken, { kind: 'failed' }> {
  if (taken?.kind !== 'failed') return false;
  const { error } = taken;
  const code = systemCodeOf(error) ?? (error instanceof Error ? systemCodeOf(error.cause) : undefined);
  return code !== undefined && exhaustion.includes(code);
}

/** The name is taken. The same content is dropped, after the index surely knows it; other content never replaces what is there. */
async function settleExisting(server: Server, name: WalName, source: string, context: Context): Promise<ArrivalOutcome> {
  const destination = archivedWalPath(server.layout, name);
  if (!(await holdSameWal(server, source, destination))) {
    const movedTo = await rejectWal(server.layout, source, { reason: 'duplicate', now: context.clock.now() });
    return { kind: 'duplicate', name, movedTo };
  }
  await indexIfMissing(server, name, destination);
  await rm(source, { force: true });
  await syncFolder(dirname(source));
  return { kind: 'known-already', name };
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
