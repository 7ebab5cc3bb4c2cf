import type { CommandDeclaration } from '../command.ts';

export const putWalCommand: CommandDeclaration = {
  name: 'put-wal',
  summary: 'Take WAL files for a server from a tar stream on standard input',
  servers: 'one',
  isForPostgres: true,
  whenInactive: 'error',
  whenDisabled: 'error',
  options: [{ name: 'test', short: 't', kind: 'flag', summary: 'only tell whether WAL would be taken' }],
  examples: ['put-wal main < wal.tar'],
  async run({ application, servers: [server], options }) {
    if (server === undefined) return;
    const { context } = application;
    if (options.flag('test')) {
      context.messages.info(`Ready to accept WAL files for the server ${server.config.name}`);
      return;
    }
    const { acceptWals } = await import('../../archive/accept-wals.ts');
    const { programPath: path, environment } = server;
    await acceptWals(server.layout, application.stdin(), context, { path, environment });
  },
};
