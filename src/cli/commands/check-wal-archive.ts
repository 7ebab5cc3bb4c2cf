import { declareCommand } from '../command.ts';

export const checkWalArchiveCommand = declareCommand({
  name: 'check-wal-archive',
  summary: 'Tell whether a new cluster may archive its WAL here',
  servers: 'one',
  options: [{ name: 'timeline', kind: 'positive', summary: 'only WAL of this timeline and newer ones counts' }],
  examples: ['check-wal-archive main'],
  async run({ application, servers: [server], options }) {
    if (server === undefined) return;
    const { checkArchiveForNewCluster } = await import('../../operations/server/check-archive-for-new-cluster.ts');
    const { name } = server.config;
    const reason = await checkArchiveForNewCluster(server, options.number('timeline'));
    const passed = `WAL archive check for server ${name} passed`;
    const lines = [`Server ${name}:`, ...(reason === undefined ? [` - ${passed}`] : [])];
    application.writer.print({ lines, json: { [name]: reason === undefined ? passed : {} } });
    if (reason !== undefined) application.context.messages.error(`WAL archive check failed for server ${name}: ${reason}`);
  },
});
