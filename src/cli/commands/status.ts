import { declareCommand } from '../command.ts';
import { forEachServerSideBySide } from '../for-each-server-side-by-side.ts';

export const statusCommand = declareCommand({
  name: 'status',
  summary: 'Show how servers and their backups stand',
  servers: 'many',
  examples: ['status main', 'status all'],
  async run({ application, servers }) {
    const { readServerStatus } = await import('../../operations/server/server-status.ts');
    const { renderServerStatus } = await import('../../output/render-server-status.ts');
    // one that does not answer must not hold up the others
    await forEachServerSideBySide(
      { servers, application, atOnce: 8 },
      async (server) => await readServerStatus(server, application.context),
      (status) => application.writer.print(renderServerStatus(status)),
    );
  },
});
