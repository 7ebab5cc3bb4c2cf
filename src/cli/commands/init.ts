import type { CheckReport } from '../../operations/reports/server-reports.ts';
import type { LocalServer } from '../../postgres/local-servers.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { quoteWords } from '../../shared/shell-words.ts';
import type { Application } from '../assemble.ts';
import { declareCommand, type OptionValues } from '../command.ts';

export const initCommand = declareCommand({
  name: 'init',
  summary: 'Write the file of a new server, test its connection, and list the missing settings of PostgreSQL',
  servers: 'none',
  arguments: [{ name: 'server_name', summary: 'name of the new server' }],
  options: [
    {
      name: 'conninfo',
      kind: 'text',
      metavar: 'conninfo',
      summary:
        'connection for queries: "host=db1 user=pgcellar dbname=postgres"; without it the server that listens on a socket of this host',
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
      summary: 'way for WAL (default: streaming)',
    },
    {
      name: 'slot-name',
      kind: 'text',
      metavar: 'name',
      summary: 'replication slot of the receiver (default: pgcellar)',
    },
    {
      name: 'home',
      kind: 'text',
      metavar: 'directory',
      summary: 'if there is no configuration: write one, too, with this directory for the backups',
    },
    {
      name: 'superuser',
      kind: 'text',
      metavar: 'conninfo',
      summary:
        'with --yes: connection of a superuser that creates the roles; root needs none for a server on a socket of this host',
    },
    {
      name: 'yes',
      short: 'y',
      kind: 'flag',
      summary:
        'continue to the end: create the roles, start the receiver and the maintenance, take the first backup, and prove it by a restore into a scratch folder',
    },
  ],
  examples: [
    'init --yes main',
    'init main --conninfo "host=db1 user=pgcellar dbname=postgres"',
    'init main --conninfo "host=db1 user=pgcellar dbname=postgres" --home /var/lib/pgcellar',
  ],
  async beforeConfiguration({ options, places, print, positionals: [name = ''] }) {
    const { readNewServer } = await import('../../operations/server/init-server.ts');
    const local = await localServer(options);
    // a name or a connection string that cannot be used is told before anything is written
    readNewServer(askedFor(name, options, local === undefined ? undefined : foundServer(local, 'pgcellar')));
    const home = options.text('home');
    if (home !== undefined) {
      const { writeFirstConfiguration } = await import('../../config/write-first-configuration.ts');
      await writeFirstConfiguration(home, places);
    }
    if (!options.flag('yes')) return;
    const way = await superuserWay(options, local);
    if (way === undefined) return;
    const { loadMainConfiguration } = await import('../../config/load-configuration.ts');
    const { makeRoles } = await import('../../operations/server/make-roles.ts');
    const found = local === undefined ? undefined : foundServer(local, loadMainConfiguration(places).global.barman_user);
    await makeRoles({
      ...readNewServer(askedFor(name, options, found)),
      way,
      environment: places.environment,
      onStatements: (statements) =>
        print(['As a superuser of the PostgreSQL server:', ...statements.map((text) => `    ${text}`), ''].join('\n')),
    });
  },
  async run({ application, positionals: [name = ''], options }) {
    const { initServer } = await import('../../operations/server/init-server.ts');
    const { renderInit } = await import('../../output/render-init.ts');
    const { configuration, context, typed, writer, colours } = application;
    const taken = [...configuration.servers, ...configuration.models].map((section) => section.name);
    const goesOn = options.flag('yes');
    if (!goesOn || !taken.includes(name)) {
      const local = await localServer(options);
      const wal = options.text('wal') === 'archive-command' ? 'archive-command' : 'streaming';
      const report = await initServer(
        {
          ...askedFor(name, options, local === undefined ? undefined : foundServer(local, configuration.global.barman_user)),
          wal,
          taken,
          global: configuration.global,
          load: () => application.reloadServer(name),
        },
        context,
      );
      if (!goesOn) {
        writer.print(renderInit(report, colours, typed));
        if (report.check.results.some(({ isOk }) => !isOk)) application.failWith(1);
        return;
      }
      context.messages.info(whyWal[wal]);
    }
    await proveServer(application, name);
  },
});

const whyWal = {
  streaming:
    'WAL comes by streaming, which needs nothing on the PostgreSQL host: the slot keeps it there while no receiver runs, so watch its disk',
  'archive-command':
    'WAL comes by archive_command, a segment at a time: up to a segment, and less with archive_timeout, is lost with the PostgreSQL host',
} as const;

/** Mends what is ours, takes a backup and proves it. */
async function proveServer(application: Application, name: string): Promise<void> {
  const { context, typed, writer, colours, self, configuration } = application;
  const tell = (lines: readonly string[]): void => writer.print({ lines, json: {} });
  const onLine = (line: string): void => tell([`    | ${line}`]);
  const { mendServer } = await import('../../operations/server/mend-server.ts');
  const { renderDoctorFailure, renderDoctorStep } = await import('../../output/render-doctor.ts');
  const check: CheckReport = await mendServer(
    application.reloadServer(name),
    {
      reload: () => application.reloadServer(name),
      self: self.filter((word) => word !== '-q'),
      onFailure: (result, remedy) => tell(renderDoctorFailure(result, remedy, typed)),
      ask: (step, how) => {
        tell(renderDoctorStep(step, typed));
        return Promise.resolve(how === 'run' ? 'yes' : 'no');
      },
      onLine,
      onStepFailure: (error: OperatorError) => context.messages.warning(error.message),
      onOutcome: (failed, isMended) => tell([`  ${failed}: ${isMended ? 'repaired' : 'still failing'}`]),
    },
    context,
  );
  if (check.results.some(({ isOk }) => !isOk)) {
    const { renderCheck } = await import('../../output/render-check.ts');
    writer.print(renderCheck(check, { voice: 'own', colours, program: typed }));
    tell([`Next: ${quoteWords([...typed, 'doctor', name])}, then ${quoteWords([...typed, 'init', '--yes', name])} goes on`]);
    application.failWith(1);
    return;
  }
  const { proveBackup } = await import('../../operations/server/prove-backup.ts');
  const { renderProvenBackup } = await import('../../output/render-proven-backup.ts');
  const proven = await proveBackup(
    application.reloadServer(name),
    {
      self,
      scratchParent: configuration.global.barman_home,
      onCommand: (words) => tell(['', `$ ${quoteWords([...typed, ...words])}`]),
      onLine,
    },
    context,
  );
  writer.print(renderProvenBackup(proven, typed));
}

/**
 * The only server on a socket of this host, when the command names no connection.
 * @throws OperatorError `options-contradict` when there is none, or several
 */
async function localServer(options: OptionValues<'conninfo'>): Promise<LocalServer | undefined> {
  if (options.has('conninfo')) return undefined;
  const { findLocalServers } = await import('../../postgres/local-servers.ts');
  const found = await findLocalServers();
  if (found.length === 1) return found[0];
  const seen = found.map(({ folder, port }) => `host=${folder} port=${String(port)}`).join(', ');
  throw new OperatorError(
    'options-contradict',
    found.length === 0
      ? 'no PostgreSQL listens on a socket of this host: the argument --conninfo is required'
      : `several servers listen on this host (${seen}): the argument --conninfo is required`,
    { hint: 'for example --conninfo "host=db1 user=pgcellar dbname=postgres"' },
  );
}

/** Root may become the user that a local server runs as, who is a superuser by peer authentication. */
async function superuserWay(options: OptionValues<'superuser' | 'conninfo'>, local: LocalServer | undefined) {
  const conninfo = options.text('superuser');
  if (conninfo !== undefined) return { kind: 'conninfo', conninfo } as const;
  if (process.getuid?.() !== 0) return undefined;
  const server = local ?? (await serverOnSocket(options.text('conninfo') ?? ''));
  return server === undefined ? undefined : ({ kind: 'owner', server } as const);
}

/** The server of a connection string that names the folder of a socket. */
async function serverOnSocket(text: string): Promise<LocalServer | undefined> {
  const { parseConninfo } = await import('../../postgres/conninfo.ts');
  const { findLocalServers } = await import('../../postgres/local-servers.ts');
  const conninfo = parseConninfo(text);
  const folder = conninfo.get('host') ?? '';
  if (!folder.startsWith('/')) return undefined;
  return (await findLocalServers([folder])).find(({ port }) => port === Number(conninfo.get('port') ?? '5432'));
}

/** Connections to a server that was found: by peer authentication a user has one role, which then streams, too. */
function foundServer({ folder, port }: LocalServer, user: string) {
  const place = `host=${folder} port=${String(port)} user=${user}`;
  return { conninfo: `${place} dbname=postgres`, streamingConninfo: place };
}

function askedFor(
  name: string,
  options: OptionValues<'conninfo' | 'streaming-conninfo' | 'slot-name'>,
  found: ReturnType<typeof foundServer> | undefined,
) {
  return {
    name,
    conninfo: options.text('conninfo') ?? found?.conninfo ?? '',
    streamingConninfo: options.text('streaming-conninfo') ?? found?.streamingConninfo,
    slotName: options.text('slot-name') ?? 'pgcellar',
  };
}
