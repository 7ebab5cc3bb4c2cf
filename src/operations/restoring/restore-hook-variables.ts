import { backupFilesOf } from '../../catalog/backups/backup-files.ts';
import { readBackupRecords } from '../../catalog/backups/backup-records.ts';
import { neighboursOf } from '../../catalog/backups/find-backup.ts';
import { backupInfoPath } from '../../catalog/server-layout.ts';
import { backupHookVariables, recoveryHookVariables } from '../../hooks/hook-variables.ts';
import type { HookVariables } from '../../hooks/run-hooks.ts';
import type { RestoreRun } from './restore-run.ts';

/** The variables of hook scripts of a restore. */
export async function restoreHookVariables({ server, plan, planned: { backup, places } }: RestoreRun): Promise<HookVariables> {
  const { request, target } = plan;
  const { backups } = await readBackupRecords(server.layout);
  const { previous, next } = neighboursOf(backups, backup);
  const { layout } = server;
  return {
    ...backupHookVariables({
      backup,
      folder: backupFilesOf(layout, backup.id).folder,
      infoPath: backupInfoPath(layout, backup.id),
      previousId: previous?.id,
      nextId: next?.id,
    }),
    ...recoveryHookVariables({
      destination: places.destination,
      remoteCommand: request.remoteSshCommand,
      tablespaces: request.tablespaces,
      options: {
        target_tli: request.targetTimeline,
        target_time: request.targetTime,
        target_xid: request.targetXid,
        target_lsn: request.targetLsn,
        target_name: request.targetName,
        target_immediate: target.kind === 'immediate',
        exclusive: request.isExclusive,
        target_action: request.action,
        standby_mode: request.standbyMode,
        recovery_conf_filename: request.recoveryConfFilename,
      },
    }),
  };
}
