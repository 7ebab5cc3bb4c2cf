import { declareCommand } from '../command.ts';
import { forEachServer } from '../for-each-server.ts';

export const listBackupsCommand = declareCommand({
  name: 'list-backups',
  aliases: ['list-backup'],
  summary: 'List the backups of servers, newest first',
  servers: 'many',
  options: [{ name: 'minimal', kind: 'flag', summary: 'only the backup ids' }],
  examples: ['list-backups main', 'list-backups --minimal all'],
  async run({ application, servers, options }) {
    const { listBackups } = await import('../../operations/listing/list-backups.ts');
    const { renderBackupList } = await import('../../output/render-backup-list.ts');
    await forEachServer(servers, application, async (server) => {
      const list = await listBackups(server, application.context);
      application.writer.print(renderBackupList([list], { minimal: options.flag('minimal') }));
    });
  },
});
