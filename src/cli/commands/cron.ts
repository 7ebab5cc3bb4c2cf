import { declareCommand } from '../command.ts';
import { forEachServer } from '../for-each-server.ts';

export const cronCommand = declareCommand({
  name: 'cron',
  summary: 'Do the periodic work of all servers; meant to run every minute',
  servers: 'none',
  options: [
    { name: 'keep-descriptors', kind: 'flag', summary: 'let the work in the background write to standard output and error' },
  ],
  examples: ['cron', '-q cron'],
  async run({ application, options }) {
    const { runCron } = await import('../../maintenance/run-cron.ts');
    const { applyQueuedChanges } = await import('../../operations/configuration/update-configuration.ts');
    const { restartReceiver } = await import('../../operations/wal/restart-receiver.ts');
    const { configuration, context, self } = application;
    const readFiles = () => application.configurationFiles();
    const changed = await applyQueuedChanges({ configuration, readFiles }, context);
    const { servers } = changed.size === 0 ? application : application.reload();
    const touched = servers.filter(({ config }) => changed.has(config.name) || changed.has(config.activeModel ?? ''));
    await forEachServer(touched, application, async (server) => {
      await restartReceiver(server, self, context);
    });
    const { barman_lock_directory: lockFolder, lock_directory_cleanup: cleansLocks } = configuration.global;
    await runCron({ servers, lockFolder, cleansLocks, self, keepsDescriptors: options.flag('keep-descriptors') }, context);
  },
});
