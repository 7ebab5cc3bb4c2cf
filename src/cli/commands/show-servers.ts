import type { CommandDeclaration } from '../command.ts';
import { forEachServer } from '../for-each-server.ts';

export const showServersCommand: CommandDeclaration = {
  name: 'show-servers',
  aliases: ['show-server'],
  summary: 'Show every option and the live state of servers',
  servers: 'many',
  examples: ['show-servers main'],
  async run({ application, servers }) {
    const { showServer } = await import('../../operations/show-server.ts');
    const { renderServerDetails } = await import('../../output/render-server-details.ts');
    const { global } = application.configuration;
    await forEachServer(servers, application, async (server) => {
      application.writer.print(renderServerDetails(await showServer(server, global, application.context)));
    });
  },
};
