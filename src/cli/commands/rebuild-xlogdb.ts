import { declareCommand } from '../command.ts';
import { forEachServer } from '../for-each-server.ts';

export const rebuildXlogdbCommand = declareCommand({
  name: 'rebuild-xlogdb',
  summary: 'Write the WAL index of servers anew from their archives',
  servers: 'many',
  whenInactive: 'skip',
  whenDisabled: 'error',
  examples: ['rebuild-xlogdb main'],
  async run({ application, servers }) {
    const { rebuildIndex } = await import('../../operations/wal/rebuild-index.ts');
    await forEachServer(servers, application, async (server) => {
      await rebuildIndex(server, application.context);
    });
  },
});
