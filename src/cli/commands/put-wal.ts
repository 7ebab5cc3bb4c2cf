import type { KnownCluster } from '../../catalog/identity.ts';
import type { Server } from '../../config/server.ts';
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
    const readCluster = async () => await clusterOf(server);
    await acceptWals(server.layout, application.stdin(), { ...context, readCluster }, { path, environment });
  },
};

/** Mostly one small file says it; only before the first backup everything else has to be asked. */
async function clusterOf(server: Server): Promise<KnownCluster | undefined> {
  const { readStoredCluster } = await import('../../catalog/identity.ts');
  const stored = await readStoredCluster(server.layout);
  if (stored !== undefined) return stored;
  const [{ readKnownCluster }, { storageOf }] = await Promise.all([
    import('../../catalog/known-cluster.ts'),
    import('../../encryption/stored-wal.ts'),
  ]);
  return await readKnownCluster(server.layout, storageOf(server));
}
