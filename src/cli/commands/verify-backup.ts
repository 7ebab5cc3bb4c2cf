import { declareCommand } from '../command.ts';

export const verifyBackupCommand = declareCommand({
  name: 'verify-backup',
  aliases: ['verify'],
  summary: 'Compare the files of a backup with its manifest',
  servers: 'one',
  whenInactive: 'run',
  whenDisabled: 'run',
  endsGracefully: true,
  arguments: [{ name: 'backup_id', summary: 'id, name or shortcut' }],
  examples: ['verify-backup main latest'],
  async run({ application, servers: [server], positionals: [asked = ''] }) {
    if (server === undefined) return;
    const { findBackupOrFail } = await import('../../operations/backup/find-backup-or-fail.ts');
    const { verifyBackup } = await import('../../operations/backup/verify-backup.ts');
    const { backup } = await findBackupOrFail(server, asked);
    await verifyBackup(server, { backup, asked }, application.context);
  },
});
