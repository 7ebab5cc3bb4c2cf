import { OperatorError } from '../../shared/operator-error.ts';
import type { CommandDeclaration, OptionValues } from '../command.ts';

export const initCommand: CommandDeclaration = {
  name: 'init',
  summary: 'Write the file of a new server, test its connection, and tell what is missing on the PostgreSQL side',
  servers: 'none',
  arguments: [{ name: 'server_name', summary: 'name of the new server' }],
  options: [
    {
      name: 'conninfo',
      kind: 'text',
      metavar: 'conninfo',
      summary: 'connection for queries: "host=db1 user=pgcellar dbname=postgres"',
    },
    {
      name: 'streaming-conninfo',
      kind: 'text',
      metavar: 'conninfo',
      summary: 'connection for replication; without it the same host and port, as streaming_USER',
    },
    {
      name: 'wal',
      kind: 'choice',
      choices: ['streaming', 'archive-command'],
      summary: 'how WAL arrives; streaming unless this says otherwise',
    },
    {
      name: 'slot-name',
      kind: 'text',
      metavar: 'name',
      summary: 'replication slot of the receiver; pgcellar unless this says otherwise',
    },
    {
      name: 'home',
      kind: 'text',
      metavar: 'directory',
      summary: 'where there is no configuration yet: write one too, with this directory for the backups',
    },
  ],
  examples: [
    'init main --conninfo "host=db1 user=pgcellar dbname=postgres"',
    'init main --conninfo "host=db1 user=pgcellar dbname=postgres" --home /var/lib/pgcellar',
  ],
  async beforeConfiguration({ options, places, positionals: [name = ''] }) {
    const { readNewServer } = await import('../../operations/server/init-server.ts');
    readNewServer(askedFor(name, options));
    const home = options.text('home');
    if (home === undefined) return;
    const { writeFirstConfiguration } = await import('../../config/write-first-configuration.ts');
    await writeFirstConfiguration(home, places);
  },
  async run({ application, positionals: [name = ''], options }) {
    const { initServer } = await import('../../operations/server/init-server.ts');
    const { renderInit } = await import('../../output/render-init.ts');
    const { configuration, context, typed, writer, colours } = application;
    const report = await initServer(
      {
        ...askedFor(name, options),
        wal: options.text('wal') === 'archive-command' ? 'archive-command' : 'streaming',
        taken: [...configuration.servers, ...configuration.models].map(({ name }) => name),
        global: configuration.global,
        load: () => application.reloadServer(name),
      },
      context,
    );
    writer.print(renderInit(report, colours, typed));
    if (report.check.results.some(({ isOk }) => !isOk)) application.failWith(1);
  },
};

function askedFor(name: string, options: OptionValues) {
  return {
    name,
    conninfo: requireConninfo(options),
    streamingConninfo: options.text('streaming-conninfo'),
    slotName: options.text('slot-name') ?? 'pgcellar',
  };
}

function requireConninfo(options: OptionValues): string {
  const conninfo = options.text('conninfo');
  if (conninfo !== undefined) return conninfo;
  throw new OperatorError('options-contradict', 'the argument --conninfo is required', {
    hint: 'for example --conninfo "host=db1 user=pgcellar dbname=postgres"',
  });
}
