import { declareCommand } from '../command.ts';
import { forEachServerSideBySide } from '../for-each-server-side-by-side.ts';

export const showClusterCommand = declareCommand({
  name: 'show-cluster',
  summary: 'Show the nodes of the clusters of servers, and which one is followed',
  servers: 'many',
  whenInactive: 'skip',
  whenDisabled: 'error',
  whenPassive: 'skip',
  examples: ['show-cluster main', 'show-cluster all'],
  async run({ application, servers }) {
    const { showCluster } = await import('../../operations/server/show-cluster.ts');
    const { renderCluster } = await import('../../output/render-cluster.ts');
    await forEachServerSideBySide(
      { servers, application, atOnce: 4 },
      async (server) => await showCluster(server, application.context),
      (report) => application.writer.print(renderCluster(report)),
    );
  },
});
