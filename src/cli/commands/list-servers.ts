import { declareCommand } from '../command.ts';

export const listServersCommand = declareCommand({
  name: 'list-servers',
  aliases: ['list-server'],
  summary: 'List the configured servers',
  servers: 'none',
  options: [{ name: 'minimal', kind: 'flag', summary: 'only the names' }],
  examples: ['list-servers'],
  async run({ application, options }) {
    const { listServers } = await import('../../operations/listing/list-servers.ts');
    const { renderServerList } = await import('../../output/render-server-list.ts');
    const items = listServers(application.servers.map(({ config }) => config));
    application.writer.print(renderServerList(items, { minimal: options.flag('minimal') }));
  },
});
