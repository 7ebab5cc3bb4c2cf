import { declareCommand } from '../command.ts';
import { forEachServerConcurrently } from '../for-each-server-concurrently.ts';

export const showServersCommand = declareCommand({
  name: 'show-servers',
  aliases: ['show-server'],
  summary: 'Show every option and the live state of servers',
  servers: 'many',
  examples: ['show-servers main'],
  async run({ application, servers }) {
    const { showServer } = await import('../../operations/server/show-server.ts');
    const { renderServerDetails } = await import('../../output/render-server-details.ts');
    const { global } = application.configuration;
    // one that does not answer must not hold up the others
    await forEachServerConcurrently(
      { servers, application, concurrency: 8 },
      async (server) => await showServer(server, global, application.context),
      (details) => application.writer.print(renderServerDetails(details)),
    );
  },
});
