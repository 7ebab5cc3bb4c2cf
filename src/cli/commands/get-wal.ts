import type { WalForm } from '../../archive/serve-wal.ts';
import { OperatorError, systemCodeOf } from '../../shared/operator-error.ts';
import type { WalName } from '../../wal/wal-name.ts';
import { declareCommand, type Invocation, type OptionValues } from '../command.ts';

export const getWalCommand = declareCommand({
  name: 'get-wal',
  summary: 'Send a WAL file of a server to standard output or into a folder',
  servers: 'one',
  isForPostgres: true,
  whenDisabled: 'error',
  arguments: [{ name: 'wal_name', summary: 'name of a WAL segment, history, label or partial file' }],
  options: [
    { name: 'output-directory', short: 'o', kind: 'text', metavar: 'folder', summary: 'write the file into this folder' },
    { name: 'partial', short: 'P', kind: 'flag', summary: 'also take a segment that is still being received' },
    { name: 'gzip', short: 'z', aliases: ['-x'], kind: 'flag', summary: 'compress the output with gzip' },
    { name: 'bzip2', short: 'j', kind: 'flag', summary: 'compress the output with bzip2' },
    { name: 'keep-compression', kind: 'flag', summary: 'send the file as it is stored' },
    {
      name: 'peek',
      short: 'p',
      kind: 'positive',
      metavar: 'count',
      summary: 'list up to that many existing names from this one on',
    },
    {
      name: 'strict',
      kind: 'flag',
      summary: 'exit above 125 for every failure but a missing file, so that recovery never ends early (not in Barman)',
    },
    { name: 'test', short: 't', kind: 'flag', summary: 'only test whether WAL would be sent' },
  ],
  examples: ['get-wal main 000000010000000000000010 > segment'],
  async run(invocation) {
    const { application, servers, positionals, options } = invocation;
    const [server] = servers;
    const [wanted = ''] = positionals;
    if (server === undefined) return;
    const { context } = application;
    if (options.flag('test')) {
      context.messages.info(`Ready to retrieve WAL files from the server ${server.config.name}`);
      return;
    }
    const { peekWals, requireWalName } = await import('../../archive/find-wal.ts');
    const name = requireWalName(wanted);
    const count = options.number('peek');
    if (count === undefined) {
      await send(invocation, name);
      return;
    }
    for (const found of await peekWals(server.layout, name, count)) context.messages.info(found, { logged: false });
  },
});

type Form = 'gzip' | 'bzip2' | 'keep-compression';

async function send(
  { application, servers: [server], options }: Invocation<Form | 'partial' | 'output-directory'>,
  name: WalName,
): Promise<void> {
  if (server === undefined) return;
  const { serveWal, toldAsUnreadable } = await import('../../archive/serve-wal.ts');
  const form = formOf(options);
  const allowsPartial = options.flag('partial');
  const { context } = application;
  const folder = options.text('output-directory');
  const tellUnreadable = (error: unknown): never => {
    throw toldAsUnreadable(error);
  };
  if (folder === undefined) {
    const output = () => Promise.resolve(application.stdout);
    await serveWal({ server, name, allowsPartial, form, output, descriptor: 1 }, context.log)
      .catch(tellUnreadable)
      .catch(tellLostOutput);
    return;
  }
  const { writeWalFile } = await import('../write-wal-file.ts');
  const path = await writeWalFile(folder, name, async (stream, descriptor) => {
    const output = () => Promise.resolve(stream);
    await serveWal({ server, name, allowsPartial, form, output, descriptor }, context.log).catch(tellUnreadable);
  });
  context.messages.info(`Sending WAL '${name}' for server '${server.config.name}' into '${path}' file`);
}

/** A WAL file that is cut off must not look like a whole one, even to a reader who went away. */
function tellLostOutput(error: unknown): never {
  if (!(error instanceof Error && 'syscall' in error && error.syscall === 'write')) throw error;
  const reason = systemCodeOf(error) ?? error.message;
  throw new OperatorError('file-unwritable', `cannot write the WAL file to standard output: ${reason}`, { cause: error });
}

function formOf(options: OptionValues<Form>): WalForm {
  const compression = options.flag('gzip') ? 'gzip' : options.flag('bzip2') ? 'bzip2' : undefined;
  if (!options.flag('keep-compression')) return compression ?? 'plain';
  if (compression === undefined) return 'stored';
  throw new OperatorError('options-contradict', `get-wal: --keep-compression excludes --${compression}`, {
    asBarman: `argument \`${compression}\` not allowed with argument \`keep-compression\``,
  });
}
