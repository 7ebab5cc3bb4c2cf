import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { enterWals } from '../catalog/wal/enter-wals.ts';
import { noteHistory } from '../catalog/wal/read-histories.ts';
import type { Server } from '../config/server.ts';
import type { Context } from '../shared/context.ts';
import { syncFolder } from '../shared/durable-file.ts';
import { walKindOf } from '../wal/wal-name.ts';
import type { PreparedWal } from './prepare-wal.ts';
import { movableIdentityOf, noteSealed, type SealedArrival } from './sealed-arrivals.ts';

/** Renames into the archive, syncs, indexes, and only then lets the sources go. */
export async function commitWals(
  server: Server,
  prepared: readonly PreparedWal[],
  context: Pick<Context, 'log'>,
): Promise<void> {
  if (prepared.length === 0) return;
  const { layout } = server;
  await noteSealed(layout, await sealedAmong(prepared));
  await enterWals(
    layout,
    prepared.map(({ temporary: from, entry, replaces = false }) => ({ from, entry, replaces })),
  );
  for (const { entry, source: plainPath } of prepared) {
    const isSealed = entry.encryption !== null && walKindOf(entry.name) === 'history';
    if (isSealed) await noteHistory(server, { name: entry.name, plainPath }, context);
  }
  for (const { source } of prepared) await rm(source, { force: true });
  for (const folder of new Set(prepared.map(({ source }) => dirname(source)))) await syncFolder(folder);
}

async function sealedAmong(prepared: readonly PreparedWal[]): Promise<SealedArrival[]> {
  const sealed: SealedArrival[] = [];
  for (const { source, sealedFrom: arrived, temporary } of prepared)
    if (arrived !== undefined) sealed.push({ source, arrived, stored: await movableIdentityOf(temporary) });
  return sealed;
}
