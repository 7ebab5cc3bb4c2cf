import { declareCommand } from '../command.ts';
import { forEachServer } from '../for-each-server.ts';
import { forEachServerConcurrently } from '../for-each-server-concurrently.ts';

export const showClusterCommand = declareCommand({
  name: 'show-cluster',
  summary: 'Show the nodes of the clusters of servers, and which one is followed',
  servers: 'many',
  whenInactive: 'skip',
  whenDisabled: 'error',
  whenPassive: 'skip',
  options: [
    { name: 'history', kind: 'flag', summary: 'list each change of the primary, with its loss of WAL' },
    { name: 'acknowledge', kind: 'flag', summary: 'acknowledge all losses: check no longer reports them' },
  ],
  examples: ['show-cluster main', 'show-cluster --history main', 'show-cluster --acknowledge main'],
  async run({ application, servers, options }) {
    if (options.flag('history') || options.flag('acknowledge')) {
      const { acknowledgeSwitches, showSwitches } = await import('../../operations/server/show-switches.ts');
      const { renderSwitches } = await import('../../output/render-switches.ts');
      await forEachServer(servers, application, async (server) => {
        if (options.flag('acknowledge')) await acknowledgeSwitches(server, application.context);
        if (options.flag('history')) application.writer.print(renderSwitches(await showSwitches(server)));
      });
      return;
    }
    const { showCluster } = await import('../../operations/server/show-cluster.ts');
    const { renderCluster } = await import('../../output/render-cluster.ts');
    await forEachServerConcurrently(
      { servers, application, concurrency: 4 },
      async (server) => await showCluster(server, application.context),
      (report) => application.writer.print(renderCluster(report)),
    );
  },
});
