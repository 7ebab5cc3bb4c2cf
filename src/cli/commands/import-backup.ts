import { declareCommand } from '../command.ts';

export const importBackupCommand = declareCommand({
  name: 'import-backup',
  summary: 'Take a backup that export-backup packed into the catalog of a server',
  servers: 'one',
  whenInactive: 'error',
  whenDisabled: 'error',
  endsGracefully: true,
  arguments: [{ name: 'input_tarball', summary: 'file that export-backup wrote, under its own name' }],
  examples: ['import-backup main /var/tmp/backup-export-main-20261123T010000-20261124T080000-0123abcd.tar.gz'],
  async run({ application, servers: [server], positionals: [tarball = ''] }) {
    if (server === undefined) return;
    const { importBackup } = await import('../../operations/exchange/import-backup.ts');
    await importBackup(server, tarball, application.context);
  },
});
