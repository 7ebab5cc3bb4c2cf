import { declareCommand } from '../command.ts';

export const diagnoseCommand = declareCommand({
  name: 'diagnose',
  summary: 'Print everything that helps to find a fault, as JSON, without passwords',
  servers: 'none',
  runsDespiteGlobalProblems: true,
  options: [{ name: 'show-config-source', kind: 'flag', summary: 'name the file of each value of the configuration' }],
  examples: ['diagnose', 'diagnose --show-config-source'],
  async run({ application, options }) {
    const { diagnose } = await import('../../operations/server/diagnose.ts');
    const { renderDiagnosis } = await import('../../output/render-diagnosis.ts');
    const { version } = await import('../version.ts');
    const { configuration, servers, context, environment } = application;
    const files = application.configurationFiles();
    const diagnosis = await diagnose({ configuration, servers, files, version: version(), environment }, context);
    const text = renderDiagnosis(diagnosis, { showsSources: options.flag('show-config-source'), voice: application.voice });
    context.messages.info(text.split('\n'), { logged: false });
  },
});
