import { systemCodeOf } from '../../shared/operator-error.ts';
import { declareCommand } from '../command.ts';

export const sendWalsCommand = declareCommand({
  name: 'send-wals',
  summary: 'Send the WAL files that a restore_command asks for through one connection (not in Barman)',
  servers: 'one',
  isForPostgres: true,
  whenDisabled: 'error',
  arguments: [
    { name: 'wal_name', summary: 'send consecutive files from this segment on as a tar stream instead', isOptional: true },
  ],
  examples: ['send-wals main', 'send-wals main 000000010000000000000010'],
  async run({ application, servers: [server], positionals: [wanted] }) {
    if (server === undefined) return;
    if (wanted === undefined) {
      const { answerWals } = await import('../../archive/answer-wals.ts');
      const output = { descriptor: 1, stream: () => application.stdout };
      await answerWals(server, application.stdin(), output, application.context.log).catch(expectLostReader);
      return;
    }
    const { requireWalName } = await import('../../archive/find-wal.ts');
    const { sendWals } = await import('../../archive/send-wals.ts');
    await sendWals(server, requireWalName(wanted), application.stdout).catch(expectLostReader);
  },
});

/** A reader who goes away has all it wanted: recovery has ended, or goes on elsewhere. */
function expectLostReader(error: unknown): void {
  if (!['EPIPE', 'ECONNRESET'].includes(systemCodeOf(error) ?? '')) throw error;
}
