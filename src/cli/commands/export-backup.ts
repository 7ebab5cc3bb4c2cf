import { OperatorError } from '../../shared/operator-error.ts';
import { declareCommand } from '../command.ts';

const compressions = ['gzip', 'bzip2', 'xz'] as const;

export const exportBackupCommand = declareCommand({
  name: 'export-backup',
  summary: 'Pack a backup with the WAL that it needs into one file, for import-backup on another host',
  servers: 'one',
  endsGracefully: true,
  arguments: [
    { name: 'backup_id', summary: 'id, name or shortcut of a full backup that is DONE' },
    { name: 'output_directory', summary: 'existing folder for the file' },
  ],
  options: [
    { name: 'compression', kind: 'choice', choices: [...compressions], summary: 'compress the file (default: not at all)' },
    {
      name: 'compression-level',
      kind: 'text',
      metavar: 'level',
      summary: 'gzip and bzip2: 1 to 9, xz: 0 to 9',
      parse: wholeNumber,
    },
  ],
  examples: ['export-backup main latest /var/tmp', 'export-backup --compression gzip main 20261123T010000 /var/tmp'],
  async run({ application, servers: [server], positionals: [wanted = '', outputFolder = ''], options }) {
    if (server === undefined) return;
    const { findBackupOrFail } = await import('../../operations/backup/find-backup-or-fail.ts');
    const { exportBackup } = await import('../../operations/exchange/export-backup.ts');
    const { backup } = await findBackupOrFail(server, wanted);
    const compression = compressions.find((name) => name === options.text('compression'));
    const level = options.number('compression-level');
    await exportBackup(server, backup, { wanted, outputFolder, compression, level }, application.context);
  },
});

function wholeNumber(text: string): number {
  if (/^[+-]?\d+$/.test(text)) return Number(text);
  throw new OperatorError('usage', `invalid int value: '${text}'`);
}
