import type { Server } from '../../config/server.ts';
import type { ServerStatus } from '../../operations/reports/server-reports.ts';
import type { Application } from '../assemble.ts';
import { declareCommand } from '../command.ts';
import { forEachServerConcurrently } from '../for-each-server-concurrently.ts';

export const statusCommand = declareCommand({
  name: 'status',
  summary: 'Show the state of servers and their backups',
  servers: 'many',
  options: [{ name: 'page', kind: 'flag', summary: 'a page for a person: can I restore, to when, what is wrong, what to do' }],
  examples: ['status main', 'status all', 'status --page main'],
  async run({ application, servers, options }) {
    const isPage = options.flag('page') && application.format !== 'json';
    const { readServerStatus } = await import('../../operations/server/server-status.ts');
    const { renderServerStatus } = await import('../../output/render-server-status.ts');
    // one that does not answer must not hold up the others
    await forEachServerConcurrently(
      { servers, application, concurrency: 8 },
      async (server) => ({
        status: await readServerStatus(server, application.context),
        page: isPage ? await pageOf(server, application) : undefined,
      }),
      ({ status, page }) => {
        const report = renderServerStatus(status);
        application.writer.print(page === undefined ? report : { lines: page(status), json: report.json });
      },
    );
  },
});

/** Checks a server, for a page of its status. */
async function pageOf(server: Server, { context, typed, columns }: Application) {
  const { checkServer } = await import('../../operations/server/check-server.ts');
  const { renderStatusPage } = await import('../../output/render-status-page.ts');
  const check = await checkServer(server, undefined, context);
  return (status: ServerStatus): readonly string[] => renderStatusPage(status, check, { program: typed, columns });
}
