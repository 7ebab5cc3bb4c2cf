import { declareCommand } from '../command.ts';

export const archiveWalCommand = declareCommand({
  name: 'archive-wal',
  summary: 'Archive the WAL files that have arrived for a server',
  servers: 'one',
  whenInactive: 'skip',
  whenDisabled: 'error',
  endsGracefully: true,
  examples: ['archive-wal main'],
  async run({ application, servers: [server] }) {
    if (server === undefined) return;
    const { archiveWal } = await import('../../operations/wal/archive-wal.ts');
    await archiveWal(server, { isQuiet: false }, application.context);
  },
});
