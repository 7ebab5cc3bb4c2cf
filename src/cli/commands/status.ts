import type { CommandDeclaration } from '../command.ts';
import { forEachServer } from '../for-each-server.ts';

export const statusCommand: CommandDeclaration = {
  name: 'status',
  summary: 'Show how servers and their backups stand',
  servers: 'many',
  examples: ['status main', 'status all'],
  async run({ application, servers }) {
    const { readServerStatus } = await import('../../operations/server-status.ts');
    const { renderServerStatus } = await import('../../output/render-server-status.ts');
    await forEachServer(servers, application, async (server) => {
      application.writer.print(renderServerStatus(await readServerStatus(server, application.context)));
    });
  },
};
