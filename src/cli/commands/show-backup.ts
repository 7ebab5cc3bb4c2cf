import { declareCommand } from '../command.ts';

export const showBackupCommand = declareCommand({
  name: 'show-backup',
  aliases: ['show-backups'],
  summary: 'Show one backup in detail',
  servers: 'one',
  arguments: [{ name: 'backup_id', summary: 'id, name, or one of latest, oldest, latest-full, last-failed' }],
  examples: ['show-backup main latest'],
  async run({ application, servers: [server], positionals: [wanted = ''] }) {
    if (server === undefined) return;
    const { showBackup } = await import('../../operations/listing/list-backups.ts');
    const { renderBackupDetails } = await import('../../output/render-backup-details.ts');
    application.writer.print(renderBackupDetails(await showBackup(server, wanted, application.context)));
  },
});
