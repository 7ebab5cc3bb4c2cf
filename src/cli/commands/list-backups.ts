import { declareCommand } from '../command.ts';
import { forEachServer } from '../for-each-server.ts';

export const listBackupsCommand = declareCommand({
  name: 'list-backups',
  aliases: ['list-backup'],
  summary: 'List the backups of servers, newest first',
  servers: 'many',
  options: [
    { name: 'minimal', kind: 'flag', summary: 'only the backup ids' },
    { name: 'table', kind: 'flag', summary: 'a table for a person: kind, age, size, WAL, state and retention of each backup' },
  ],
  examples: ['list-backups main', 'list-backups --minimal all', 'list-backups --table main'],
  async run({ application, servers, options }) {
    const { listBackups } = await import('../../operations/listing/list-backups.ts');
    const { renderBackupList } = await import('../../output/render-backup-list.ts');
    await forEachServer(servers, application, async (server) => {
      const list = await listBackups(server, application.context);
      const report = renderBackupList([list], { minimal: options.flag('minimal') });
      if (!options.flag('table') || application.format === 'json') {
        application.writer.print(report);
        return;
      }
      const { renderBackupTable } = await import('../../output/render-backup-table.ts');
      application.writer.print({ lines: renderBackupTable(list, application.context.clock.now()), json: report.json });
    });
  },
});
