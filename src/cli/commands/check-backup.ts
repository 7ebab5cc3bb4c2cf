import { declareCommand } from '../command.ts';

export const checkBackupCommand = declareCommand({
  name: 'check-backup',
  summary: 'Check whether all WAL of a backup is archived, and mark it DONE or FAILED',
  servers: 'one',
  whenDisabled: 'run',
  arguments: [{ name: 'backup_id', summary: 'id, name or shortcut' }],
  examples: ['check-backup main 20261123T010000'],
  async run({ application, servers: [server], positionals: [wanted = ''] }) {
    if (server === undefined) return;
    const { findBackupOrFail } = await import('../../operations/backup/find-backup-or-fail.ts');
    const { checkBackup } = await import('../../operations/backup/check-backup.ts');
    const { backup } = await findBackupOrFail(server, wanted);
    const checked = await checkBackup(server, backup.id, application.context);
    if (checked?.status !== 'WAITING_FOR_WALS') return;
    // cron asks every minute: the log need not know each time
    const text = `Backup ${backup.id} of server ${server.config.name} is still waiting for WAL files to be archived`;
    application.context.messages.error(text, { logged: false });
  },
});
