import { join } from 'node:path';
import { isWithin } from '../plan/plan-destination.ts';
import { type FullFolder, type Judging } from './judged-destination.ts';
import type { Refuse } from './refusals.ts';
import { unusable } from './refusals.ts';

/** A delta restore overwrites only the cluster that was backed up. @param names what lies in the destination */
export async function refuseOtherCluster(
  { plan, restoreHost, backup }: Judging,
  names: readonly string[],
  refuse: Refuse,
): Promise<void> {
  if (names.length === 0) return;
  const { destination } = plan;
  if (!names.includes('PG_VERSION')) {
    const isUnfinished = names.includes('.barman-recover.info');
    if (isUnfinished) return;
    refuse(
      unusable(
        `the destination ${destination} is not empty and holds no cluster, so there is nothing for --delta-restore to work on`,
        'choose an empty folder, or the data folder of the cluster that was backed up',
      ),
    );
    return;
  }
  const version = (await restoreHost.readFile(join(destination, 'PG_VERSION'))).toString('latin1').trim();
  const wanted = majorText(backup.version ?? 0);
  if (version !== wanted) {
    refuse(
      unusable(
        `the destination ${destination} holds a cluster of PostgreSQL ${version}, the backup is of PostgreSQL ${wanted}`,
        'choose another folder',
      ),
    );
  }
  if ((await restoreHost.find(join(destination, 'global/pg_control'))) === undefined) return;
  const control = await restoreHost.readFile(join(destination, 'global/pg_control'));
  const identifier = control.length < 8 ? undefined : String(control.readBigUInt64LE(0));
  if (backup.systemid === null || identifier === backup.systemid) return;
  refuse(
    unusable(
      `the destination ${destination} holds another cluster (system identifier ${identifier ?? 'unknown'}, that of the backup is ${backup.systemid})`,
      'choose another folder',
    ),
    'other-cluster',
  );
}

/** A tablespace may only be overwritten when the cluster at the destination is the one that uses it. */
export async function refuseForeignTablespace(
  { plan, restoreHost }: Judging,
  { path, what, names }: FullFolder,
  refuse: Refuse,
): Promise<void> {
  if (plan.wal.kind === 'staged' && path === plan.wal.folder) {
    if (isWithin(path, plan.destination)) return; // it belongs to the destination
    refuse(unusable(`${what} ${path} is not empty`, 'choose an empty or new folder'));
    return;
  }
  const real = await restoreHost.realPath(path);
  for (const { oid } of plan.tablespaces) {
    const target = await restoreHost.linkTarget(join(plan.destination, 'pg_tblspc', String(oid)));
    if (target !== undefined && (await restoreHost.realPath(target)) === real) return;
  }
  refuse(
    unusable(
      `${what} ${path} is not used by the destination ${plan.destination} and is not empty: it has ${names.slice(0, 3).join(', ')}`,
      'it may be the tablespace of another cluster: choose an empty folder with --tablespace NAME:FOLDER',
    ),
  );
}

/** The content of `PG_VERSION`: `17`, and `9.6` before PostgreSQL 10. */
function majorText(version: number): string {
  if (version >= 100_000) return String(Math.floor(version / 10_000));
  return `${String(Math.floor(version / 10_000))}.${String(Math.floor(version / 100) % 100)}`;
}
