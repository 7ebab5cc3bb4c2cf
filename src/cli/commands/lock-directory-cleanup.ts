import { declareCommand } from '../command.ts';

export const lockDirectoryCleanupCommand = declareCommand({
  name: 'lock-directory-cleanup',
  summary: 'Remove lock files that nobody holds',
  servers: 'none',
  examples: ['lock-directory-cleanup'],
  async run({ application }) {
    const { cleanLockFolder } = await import('../../maintenance/clean-lock-folder.ts');
    await cleanLockFolder(application.configuration.global.barman_lock_directory);
  },
});
