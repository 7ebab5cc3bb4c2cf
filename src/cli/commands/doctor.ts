import type { CheckReport } from '../../operations/reports/server-reports.ts';
import type { OperatorError } from '../../shared/operator-error.ts';
import { declareCommand } from '../command.ts';
import { readAnswers } from '../read-answers.ts';

export const doctorCommand = declareCommand({
  name: 'doctor',
  summary: 'Walk through the failed checks of a server and repair them, step by step',
  servers: 'one',
  options: [
    {
      name: 'yes',
      short: 'y',
      kind: 'flag',
      summary: 'run every step that needs no decision and can run here, without asking',
    },
  ],
  examples: ['doctor main', 'doctor --yes main', 'doctor main </dev/null'],
  async run({ application, servers: [server], options }) {
    if (server === undefined) return;
    const { mendServer } = await import('../../operations/server/mend-server.ts');
    const { renderDoctorFailure, renderDoctorStep, renderDoctorSummary } = await import('../../output/render-doctor.ts');
    const { context, typed, self } = application;
    const tell = (lines: readonly string[]): void => application.writer.print({ lines, json: {} });
    await using answers = readAnswers(application.stdin(), application.stdout);
    const report: CheckReport = await mendServer(
      server,
      {
        reload: () => application.reloadServer(server.config.name),
        self: self.filter((word) => word !== '-q'),
        onFailure: (result, remedy) => tell(renderDoctorFailure(result, remedy, typed)),
        ask: async (step, how) => {
          tell(renderDoctorStep(step, typed));
          if (options.flag('yes')) {
            if (how === 'decision') tell(['    | left to you: without --yes, doctor asks about it']);
            return how === 'run' ? 'yes' : 'no';
          }
          if (application.format === 'json') return 'no';
          return await answers.ask(how === 'by-hand' ? 'done by hand? [y/N/q] ' : 'run it? [y/N/q] ');
        },
        onLine: (line) => tell([`    | ${line}`]),
        onStepFailure: (error: OperatorError) => application.context.messages.warning(error.message),
        onOutcome: (name, isMended) => tell([`  ${name}: ${isMended ? 'repaired' : 'still failing'}`]),
      },
      context,
    );
    application.writer.print(renderDoctorSummary(report, typed));
    if (report.results.some(({ isOk }) => !isOk)) application.failWith(1);
  },
});
