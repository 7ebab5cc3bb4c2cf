import { declareCommand } from '../command.ts';

export const terminateProcessCommand = declareCommand({
  name: 'terminate-process',
  summary: 'Stop running work of a server',
  servers: 'one',
  arguments: [{ name: 'task', summary: 'receive-wal, backup, cron, archive-wal, sync-backup or sync-wal' }],
  examples: ['terminate-process main receive-wal'],
  async run({ application, servers: [server], positionals: [task = ''] }) {
    if (server === undefined) return;
    const { stopTask } = await import('../../operations/server/running-tasks.ts');
    await stopTask(server, task, application.context);
  },
});
