import type { CheckReport } from '../../operations/reports/server-reports.ts';
import type { CommandDeclaration } from '../command.ts';
import { forEachServer } from '../for-each-server.ts';

export const checkCommand: CommandDeclaration = {
  name: 'check',
  summary: 'Test whether servers are ready for backups and have them',
  servers: 'many',
  silencedBy: 'nagios',
  options: [
    { name: 'nagios', kind: 'flag', summary: 'one line and exit code for Nagios' },
    { name: 'check-timeout', kind: 'count', metavar: 'seconds', summary: 'give up after this time; 0 waits for ever' },
  ],
  examples: ['check main', 'check --nagios all'],
  async run({ application, servers, options }) {
    const { checkServer } = await import('../../operations/check-server.ts');
    const { renderCheck } = await import('../../output/render-check.ts');
    const { context, writer, colours } = application;
    const isNagios = options.flag('nagios');
    const reports: CheckReport[] = [];
    await forEachServer(servers, application, async (server) => {
      const report = await checkServer(server, options.number('check-timeout'), context);
      reports.push(report);
      if (!isNagios) writer.print(renderCheck(report, colours));
    });
    if (isNagios) {
      await tellNagios(reports, application);
      return;
    }
    if (reports.some(({ isActive, results }) => isActive && results.some(({ isOk }) => !isOk))) application.failWith(1);
  },
};

async function tellNagios(
  reports: readonly CheckReport[],
  application: Parameters<CommandDeclaration['run']>[0]['application'],
): Promise<void> {
  const { nagiosReport } = await import('../../output/nagios-report.ts');
  const { lines, exitCode } = nagiosReport(reports, {
    programName: application.programName,
    hasGlobalErrors: application.writer.hasFailed,
  });
  application.printRaw(`${lines.join('\n')}\n`);
  application.endWith(exitCode);
}
