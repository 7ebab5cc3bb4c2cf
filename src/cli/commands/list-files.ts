import { declareCommand } from '../command.ts';

const targets = ['standalone', 'data', 'wal', 'full'] as const;

export const listFilesCommand = declareCommand({
  name: 'list-files',
  summary: 'List the files of a backup',
  servers: 'one',
  arguments: [{ name: 'backup_id', summary: 'id, name or shortcut' }],
  options: [
    { name: 'target', kind: 'choice', choices: [...targets], summary: 'which files (default: standalone)' },
    { name: 'list-empty-directories', kind: 'flag', summary: 'also folders without content' },
  ],
  examples: ['list-files --target wal main latest'],
  async run({ application, servers: [server], positionals: [wanted = ''], options }) {
    if (server === undefined) return;
    const { listFiles } = await import('../../operations/listing/list-files.ts');
    const target = targets.find((word) => word === options.text('target')) ?? 'standalone';
    const listsEmptyFolders = options.flag('list-empty-directories');
    const paths = await listFiles(server, wanted, { target, listsEmptyFolders });
    for (const path of paths) application.context.messages.info(path, { logged: false });
  },
});
