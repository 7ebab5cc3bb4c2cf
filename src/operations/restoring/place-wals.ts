import { join } from 'node:path';
import { allowGroupAs } from '../../restore/fill/allow-group.ts';
import type { RestoreHost } from '../../restore/host/restore-host.ts';
import { makeStaging } from '../../restore/plan/staging.ts';
import { copyWals, makeWalFolder } from '../../restore/wal/copy-wals.ts';
import { copyWalsToHost } from '../../restore/wal/copy-wals-to-host.ts';
import type { Context } from '../../shared/context.ts';
import type { Host } from '../../transport/hosts/host.ts';
import type { RestoreRun } from './restore-run.ts';

/** Puts WAL where the restored server looks for it, on either host. */
export async function placeWals(run: RestoreRun, context: Context): Promise<void> {
  const { server, plan, planned, restoreHost, hosts, stages } = run;
  const { backup, places, wal } = planned;
  const serverFolder = join(places.destination, places.walFolderName);
  const target = planned.keptLinks.find(({ name }) => name === places.walFolderName)?.target;
  await makeServerFolders(restoreHost, serverFolder, target);
  if (places.wal.kind === 'fetched') return;
  context.messages.info('Copying required WAL segments.');
  const marksArchived = places.wal.kind === 'in-place';
  if (marksArchived) context.messages.info('Generating archive status files');
  const { folder } = places.wal;
  const segmentSize = backup.xlogSegmentSize;
  await makeWalFolder(restoreHost, folder, marksArchived ? target : undefined);
  if (plan.request.isDelta && places.wal.kind === 'staged') await emptyFolder(restoreHost, folder);
  const { remote: host } = hosts;
  await stages.run('wal', wal.bytes, async () => {
    const { copies: wals, streamingPartial } = wal;
    if (host === undefined) await copyWals({ server, wals, streamingPartial, folder, segmentSize, marksArchived }, context);
    else await sendWalsTo(host, { run, folder, segmentSize, marksArchived }, context);
  });
}

/** `pg_wal` with the folder that PostgreSQL looks into, which a backup by `pg_basebackup` may lack; of the mode that the folders beside them have. */
async function makeServerFolders(restoreHost: RestoreHost, serverFolder: string, target: string | undefined): Promise<void> {
  const missing: string[] = [];
  for (const folder of [serverFolder, join(serverFolder, 'archive_status')]) {
    if ((await restoreHost.find(folder)) === undefined) missing.push(folder);
    await makeWalFolder(restoreHost, folder, folder === serverFolder ? target : undefined);
  }
  for (const folder of missing) await allowGroupAs(restoreHost, join(serverFolder, '..', 'base'), folder);
}

interface WalSending {
  readonly run: RestoreRun;
  readonly folder: string;
  readonly segmentSize: number;
  readonly marksArchived: boolean;
}

async function sendWalsTo(host: Host, { run, ...where }: WalSending, context: Context): Promise<void> {
  const { server, plan, planned } = run;
  const { request } = plan;
  await using spool = await makeStaging(request.stagingPath);
  const compresses = request.usesNetworkCompression;
  await copyWalsToHost({ ...request, ...where, server, wal: planned.wal, host, spool: spool.path, compresses }, context);
}

/** Removes the files that an earlier restore of the same cluster left there. */
async function emptyFolder(restoreHost: RestoreHost, folder: string): Promise<void> {
  for (const name of (await restoreHost.namesIn(folder)) ?? []) await restoreHost.remove(join(folder, name));
}
