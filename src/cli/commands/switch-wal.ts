import { declareCommand } from '../command.ts';
import { forEachServer } from '../for-each-server.ts';

export const switchWalCommand = declareCommand({
  name: 'switch-wal',
  aliases: ['switch-xlog'],
  summary: 'Close the current WAL segment of servers',
  servers: 'many',
  whenInactive: 'skip',
  whenDisabled: 'error',
  whenPassive: 'skip',
  endsGracefully: true,
  options: [
    { name: 'force', kind: 'flag', summary: 'checkpoint first, so that there is something to close' },
    { name: 'archive', kind: 'flag', summary: 'wait until the segment is archived' },
    {
      name: 'archive-timeout',
      kind: 'count',
      metavar: 'seconds',
      summary: 'give up waiting after this time (default: 30; 0 waits for ever)',
    },
  ],
  examples: ['switch-wal main', 'switch-wal --force --archive main'],
  async run({ application, servers, options }) {
    const { switchServerWal } = await import('../../operations/wal/switch-wal.ts');
    const settings = {
      isForced: options.flag('force'),
      waits: options.flag('archive'),
      timeoutSeconds: options.number('archive-timeout') ?? 30,
    };
    await forEachServer(servers, application, async (server) => {
      await switchServerWal(server, settings, application.context);
    });
  },
});
