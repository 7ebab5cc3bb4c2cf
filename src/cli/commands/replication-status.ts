import { declareCommand } from '../command.ts';
import { forEachServer } from '../for-each-server.ts';

const targets = ['all', 'hot-standby', 'wal-streamer'] as const;

export const replicationStatusCommand = declareCommand({
  name: 'replication-status',
  summary: 'Show the clients that stream from servers',
  servers: 'many',
  whenInactive: 'skip',
  whenDisabled: 'error',
  whenPassive: 'skip',
  options: [
    { name: 'minimal', kind: 'flag', summary: 'one line for each client' },
    { name: 'target', kind: 'choice', choices: [...targets], summary: 'which clients' },
    { name: 'source', kind: 'choice', choices: ['backup-host', 'wal-host'], summary: 'which connection to ask through' },
  ],
  examples: ['replication-status main', 'replication-status --target wal-streamer main'],
  async run({ application, servers, options }) {
    const { readReplicationStatus } = await import('../../operations/server/replication-status.ts');
    const { renderReplicationStatus } = await import('../../output/render-replication-status.ts');
    const target = targets.find((word) => word === options.text('target')) ?? 'all';
    const source = options.text('source') === 'wal-host' ? 'wal-host' : 'backup-host';
    await forEachServer(servers, application, async (server) => {
      // Barman has the key, too, when nobody answers
      if (application.voice === 'barman') application.writer.print({ lines: [], json: { [server.config.name]: {} } });
      const report = await readReplicationStatus(server, { target, source }, application.context);
      application.writer.print(renderReplicationStatus(report, { minimal: options.flag('minimal') }));
    });
  },
});
