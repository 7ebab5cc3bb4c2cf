import type { BackupJob } from './backup-job.ts';

/** How unchanged files are taken from the backup before: as the request says, else the configuration; undefined for not at all. */
export function reuseOf({ request, server }: Pick<BackupJob, 'request' | 'server'>): 'copy' | 'link' | undefined {
  const asked = request.reuse ?? server.config.options.reuse_backup ?? 'off';
  return asked === 'off' ? undefined : asked;
}
