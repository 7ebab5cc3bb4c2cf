import { declareCommand } from '../command.ts';

export const deleteCommand = declareCommand({
  name: 'delete',
  summary: 'Delete a backup, and the WAL that only it needs',
  servers: 'one',
  whenDisabled: 'error',
  arguments: [{ name: 'backup_id', summary: 'id, name or shortcut' }],
  examples: ['delete main oldest', 'delete main 20261123T010000'],
  async run({ application, servers: [server], positionals: [wanted = ''] }) {
    if (server === undefined) return;
    const { findBackupOrFail } = await import('../../operations/backup/find-backup-or-fail.ts');
    const { deleteBackup } = await import('../../operations/deletion/delete-backup.ts');
    const { backup } = await findBackupOrFail(server, wanted);
    await deleteBackup(server, backup, application.context);
  },
});
