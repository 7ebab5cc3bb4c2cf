import { declareCommand } from '../command.ts';

export const putWalCommand = declareCommand({
  name: 'put-wal',
  summary: 'Take WAL files for a server from a tar stream on standard input',
  servers: 'one',
  isForPostgres: true,
  whenInactive: 'error',
  whenDisabled: 'error',
  options: [
    { name: 'test', short: 't', kind: 'flag', summary: 'only test whether WAL would be accepted' },
    {
      name: 'session',
      kind: 'flag',
      summary: 'take one tar stream after another, each announced by its length, and acknowledge each (not in Barman)',
    },
  ],
  examples: ['put-wal main < wal.tar'],
  async run({ application, servers: [server], options }) {
    if (server === undefined) return;
    const { context } = application;
    if (options.flag('test')) {
      context.messages.info(`Ready to accept WAL files for the server ${server.config.name}`);
      return;
    }
    const { programPath: path, environment } = server;
    const readCluster = async () => await (await import('../../catalog/identity.ts')).readKnownCluster(server);
    if (options.flag('session')) {
      const { acceptInTurn } = await import('../../archive/accept-in-turn.ts');
      const answer = (line: string): void => application.printRaw(`${line}\n`);
      const inTurn = { input: application.stdin(), answer };
      await acceptInTurn(server.layout, inTurn, { ...context, readCluster }, { path, environment });
      return;
    }
    const { acceptWals } = await import('../../archive/accept-wals.ts');
    await acceptWals(server.layout, application.stdin(), { ...context, readCluster }, { path, environment });
  },
});
