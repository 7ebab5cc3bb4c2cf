import { declareCommand } from '../command.ts';

export const generateManifestCommand = declareCommand({
  name: 'generate-manifest',
  summary: 'Write a backup_manifest for an rsync backup',
  servers: 'one',
  whenInactive: 'skip',
  whenDisabled: 'error',
  arguments: [{ name: 'backup_id', summary: 'id, name or shortcut' }],
  options: [],
  examples: ['generate-manifest main latest'],
  async run({ application, servers: [server], positionals: [wanted = ''] }) {
    if (server === undefined) return;
    const { findBackupOrFail } = await import('../../operations/backup/find-backup-or-fail.ts');
    const { generateManifest } = await import('../../operations/backup/generate-manifest.ts');
    const { backup } = await findBackupOrFail(server, wanted);
    await generateManifest(server, backup);
    application.context.messages.info(
      `Backup manifest for backup '${wanted}' successfully generated for server ['${server.config.name}']`,
    );
  },
});
