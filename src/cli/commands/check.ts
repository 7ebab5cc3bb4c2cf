import type { Server } from '../../config/server.ts';
import type { CheckReport } from '../../operations/reports/server-reports.ts';
import type { Application } from '../assemble.ts';
import { declareCommand } from '../command.ts';
import { forEachServerConcurrently } from '../for-each-server-concurrently.ts';

/** A server that hangs holds up nobody but itself until this many hang. */
const concurrentChecks = 16;

export const checkCommand = declareCommand({
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
    const { checkServer } = await import('../../operations/server/check-server.ts');
    const { renderCheck } = await import('../../output/render-check.ts');
    const { context, writer, colours, voice } = application;
    const isNagios = options.flag('nagios');
    const reports: CheckReport[] = [];
    const remediesFor = tellsRemedies(application) ? application.typed : undefined;
    const work = async (server: Server): Promise<CheckReport> =>
      await checkServer(server, options.number('check-timeout'), context);
    await forEachServerConcurrently({ servers, application, concurrency: concurrentChecks }, work, (report) => {
      reports.push(report);
      if (!isNagios) writer.print(renderCheck(report, { voice, colours, program: remediesFor }));
    });
    if (isNagios) {
      await tellNagios(reports, application);
      return;
    }
    if (reports.some(({ isActive, results }) => isActive && results.some(({ isOk }) => !isOk))) application.failWith(1);
  },
});

/** For who sits in front: a script reads a pipe, and the name `barman` stands for Barman's words. */
function tellsRemedies({ voice, isInteractive }: Application): boolean {
  return isInteractive && voice === 'own';
}

async function tellNagios(reports: readonly CheckReport[], application: Application): Promise<void> {
  const { nagiosReport } = await import('../../output/nagios-report.ts');
  const { lines, exitCode } = nagiosReport(reports, {
    voice: application.voice,
    hasGlobalErrors: application.writer.hasFailed,
  });
  application.printRaw(`${lines.join('\n')}\n`);
  application.endWith(exitCode);
}
