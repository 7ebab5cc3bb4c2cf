import { declareCommand } from '../command.ts';
import { forEachServer } from '../for-each-server.ts';

export const configUpdateCommand = declareCommand({
  name: 'config-update',
  summary: 'Change options in the configuration files',
  servers: 'none',
  arguments: [
    {
      name: 'json_changes',
      summary: 'array of objects: scope (server or model), server_name or model_name, and options with their values',
    },
  ],
  examples: [`config-update '[{"scope": "server", "server_name": "main", "minimum_redundancy": "2"}]'`],
  async run({ application, positionals: [json = ''] }) {
    const { updateConfiguration } = await import('../../operations/configuration/update-configuration.ts');
    const { restartReceiver } = await import('../../operations/wal/restart-receiver.ts');
    const { configuration, context, self } = application;
    const readFiles = () => application.configurationFiles();
    const changed = await updateConfiguration(json, { configuration, readFiles }, context);
    if (changed.size === 0) return;
    const { servers } = application.reload();
    const touched = servers.filter(({ config }) => changed.has(config.name) || changed.has(config.activeModel ?? ''));
    await forEachServer(touched, application, async (server) => {
      await restartReceiver(server, self, context);
    });
  },
});
