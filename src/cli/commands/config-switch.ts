import type { OptionChange } from '../../operations/reports/server-reports.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { declareCommand } from '../command.ts';

export const configSwitchCommand = declareCommand({
  name: 'config-switch',
  summary: 'Apply a model to the configuration of a server, or remove it',
  servers: 'one',
  arguments: [{ name: 'model_name', summary: 'section with model = true and the cluster of the server', isOptional: true }],
  options: [{ name: 'reset', kind: 'flag', summary: 'remove the active model' }],
  examples: ['config-switch main main-on-standby', 'config-switch --reset main'],
  async run({ application, servers: [server], positionals: [modelName], options }) {
    if (server === undefined) return;
    const isReset = options.flag('reset');
    if (!isReset && modelName === undefined) {
      throw new OperatorError('options-contradict', "Either a model name or '--reset' flag need to be given");
    }
    const { switchModel } = await import('../../operations/configuration/switch-model.ts');
    const { renderOptionChange } = await import('../../output/render-server-details.ts');
    const { configuration, context, self } = application;
    const onChange = (change: OptionChange): void => context.messages.info(renderOptionChange(change));
    const reload = () => {
      const { servers } = application.reload();
      return servers.find(({ config }) => config.name === server.config.name) ?? server;
    };
    await switchModel(
      server,
      isReset ? undefined : modelName,
      { models: configuration.models, reload, self, onChange },
      context,
    );
  },
});
