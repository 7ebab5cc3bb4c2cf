import type { KeepTarget } from '../../catalog/backups/annotations.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { declareCommand, type OptionValues } from '../command.ts';

export const keepCommand = declareCommand({
  name: 'keep',
  summary: 'Protect a backup from retention and deletion, or release it',
  servers: 'one',
  arguments: [{ name: 'backup_id', summary: 'id, name or shortcut' }],
  options: [
    { name: 'release', short: 'r', kind: 'flag', summary: 'release the backup' },
    { name: 'status', short: 's', kind: 'flag', summary: 'show how the backup is kept' },
    {
      name: 'target',
      kind: 'choice',
      choices: ['full', 'standalone'],
      summary: 'keep it with all WAL after it (full), or with only the WAL that it needs itself (standalone)',
    },
  ],
  examples: ['keep --target full main 20261123T010000', 'keep --release main 20261123T010000'],
  judgeOptions: (options) => void targetOf(options),
  async run({ application, servers: [server], positionals: [wanted = ''], options }) {
    if (server === undefined) return;
    const target = targetOf(options);
    const { findBackupOrFail } = await import('../../operations/backup/find-backup-or-fail.ts');
    const { keepBackup, readKeep } = await import('../../operations/deletion/keep-backup.ts');
    const { backup } = await findBackupOrFail(server, wanted);
    if (!options.flag('status')) {
      await keepBackup(server, backup, target);
      return;
    }
    const { name } = server.config;
    const message = (await readKeep(server, backup)) ?? 'nokeep';
    application.writer.print({
      lines: [`Server ${name}:`, `\tKeep: ${message}`],
      json: { [name]: { keep_status: { description: 'Keep', message } } },
    });
  },
});

/** Undefined releases; `--status` wins over both, and `--release` over a target. */
function targetOf(options: OptionValues<'target' | 'status' | 'release'>): KeepTarget | undefined {
  const target = options.text('target');
  if (options.flag('status') || options.flag('release')) return undefined;
  if (target === 'full' || target === 'standalone') return target;
  throw new OperatorError('options-contradict', 'one of the arguments -r/--release -s/--status --target is required');
}
