import { systemCodeOf } from '../../shared/operator-error.ts';
import type { CommandDeclaration } from '../command.ts';

export const sendWalsCommand: CommandDeclaration = {
  name: 'send-wals',
  summary: 'Send consecutive WAL files as a tar stream, for a restore_command that reads ahead (not in Barman)',
  servers: 'one',
  isForPostgres: true,
  whenDisabled: 'error',
  arguments: [{ name: 'wal_name', summary: 'first WAL segment' }],
  examples: ['send-wals main 000000010000000000000010'],
  async run({ application, servers: [server], positionals: [wanted = ''] }) {
    if (server === undefined) return;
    const { requireWalName } = await import('../../archive/find-wal.ts');
    const { sendWals } = await import('../../archive/send-wals.ts');
    await sendWals(server, requireWalName(wanted), application.stdout).catch(expectLostReader);
  },
};

/** A reader who goes away has all it wanted: recovery has ended, or goes on elsewhere. */
function expectLostReader(error: unknown): void {
  if (!['EPIPE', 'ECONNRESET'].includes(systemCodeOf(error) ?? '')) throw error;
}
