import type { CommandDeclaration } from '../command.ts';

export const cronCommand: CommandDeclaration = {
  name: 'cron',
  summary: 'Do the periodic work of all servers; meant to run every minute',
  servers: 'none',
  options: [
    { name: 'keep-descriptors', kind: 'flag', summary: 'let the work in the background write to standard output and error' },
  ],
  async run({ application, options }) {
    const { runCron } = await import('../../maintenance/run-cron.ts');
    const { configuration, context, servers, self } = application;
    const { barman_lock_directory: lockFolder, lock_directory_cleanup: cleansLocks } = configuration.global;
    await runCron({ servers, lockFolder, cleansLocks, self, keepsDescriptors: options.flag('keep-descriptors') }, context);
  },
};
