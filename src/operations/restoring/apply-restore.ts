import { join } from 'node:path';
import { formatBackupInfo } from '../../catalog/backups/backup-info.ts';
import { storageOf } from '../../encryption/stored-wal.ts';
import { fillDestination } from '../../restore/fill/fill-destination.ts';
import { syncWritten } from '../../restore/fill/sync-written.ts';
import { foldersWrittenTo, markFinished, markUnfinished, writtenFolders } from '../../restore/host/unfinished-restore.ts';
import {
  isConfiguredElsewhere,
  type MangledConfiguration,
  mangleConfiguration,
  writeRecoverySettings,
} from '../../restore/recovery/mangle-configuration.ts';
import type { Context } from '../../shared/context.ts';
import { placeWals } from './place-wals.ts';
import type { RestoreRun } from './restore-run.ts';

/** Carries a plan out; what a failure leaves is explained. */
export async function applyRestore(run: RestoreRun, context: Context): Promise<MangledConfiguration> {
  try {
    return await apply(run, context);
  } catch (error) {
    const { destination } = run.planned.places;
    const left = run.plan.request.isDelta
      ? 'the same command continues'
      : `before you try again, empty ${foldersWrittenTo(run.planned.places).join(' and ')}`;
    context.messages.warning(
      `${destination} is incomplete and cannot be started, because it has no global/pg_control; ${left}`,
    );
    throw error;
  }
}

async function apply(run: RestoreRun, context: Context): Promise<MangledConfiguration> {
  const { server, plan, planned, restoreHost, stages } = run;
  const { backup, places, settings, trees } = planned;
  const { messages } = context;
  if (!plan.request.isDelta) await markUnfinished(restoreHost, places);
  messages.info('Copying the base backup.');
  const totalBytes = trees.reduce((sum, { bytes }) => sum + bytes, 0);
  const { programPath, environment } = server;
  const building = { ...plan.request, ...planned, totalBytes, storage: storageOf(server), programPath, environment };
  await using filled = await fillDestination({ ...building, restoreHost, request: plan.request }, stages, context);
  await restoreHost.writeFile(join(places.destination, '.barman-recover.info'), Buffer.from(formatBackupInfo(backup)), 0o644);
  await setManifestAside(run);
  await placeWals(run, context);
  if (settings !== undefined) messages.info('Generating recovery configuration');
  messages.info('Identify dangerous settings in destination directory.');
  const mangled = await mangleConfiguration(restoreHost, {
    dataFolder: places.destination,
    version: backup.version ?? 0,
    isConfiguredElsewhere: isConfiguredElsewhere(backup),
    includedTargets: planned.configuration.includedTargets,
    recoveryFile: settings?.isAppended === true ? settings.fileName : undefined,
  });
  for (const file of mangled.linkedFiles) messages.warning(`${file} is a symbolic link, so its settings were not reviewed`);
  if (settings !== undefined) await writeRecoverySettings(restoreHost, places.destination, settings);
  await stages.run('sync', totalBytes + planned.wal.bytes, () => syncWritten(restoreHost, writtenFolders(planned), context));
  await filled.finish();
  if (!plan.request.isDelta) await markFinished(restoreHost, places.destination);
  return mangled;
}

async function setManifestAside({ restoreHost, planned: { backup, places } }: RestoreRun): Promise<void> {
  const manifest = join(places.destination, 'backup_manifest');
  if ((await restoreHost.find(manifest)) !== undefined) await restoreHost.rename(manifest, `${manifest}.${backup.id}`);
}
