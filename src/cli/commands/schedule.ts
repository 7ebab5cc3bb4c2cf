import { declareCommand } from '../command.ts';

const maintenanceEverySeconds = 60;
const concurrentBackups = 2;

export const scheduleCommand = declareCommand({
  name: 'schedule',
  summary: "Stay in the foreground, do cron's work each minute, and take each server's backups by its backup_schedule",
  servers: 'none',
  endsGracefully: true,
  listensToHangup: true,
  options: [
    { name: 'list', kind: 'flag', summary: 'only show each schedule and its next times' },
    {
      name: 'maintenance-every',
      kind: 'positive',
      metavar: 'seconds',
      summary: `pause between passes of maintenance; ${String(maintenanceEverySeconds)} unless this says otherwise`,
    },
    {
      name: 'jobs',
      short: 'j',
      kind: 'positive',
      summary: `most backups at a time; ${String(concurrentBackups)} unless this says otherwise`,
    },
  ],
  examples: ['schedule', 'schedule --list', 'schedule --jobs 4'],
  async run({ application, options }) {
    const { context } = application;
    const { listSchedules, runSchedule } = await import('../../maintenance/run-schedule.ts');
    if (options.flag('list')) {
      const { renderSchedules } = await import('../../output/render-schedules.ts');
      application.writer.print(renderSchedules(await listSchedules(application.servers, context)));
      return;
    }
    await runSchedule(
      {
        reload: () => application.reload().servers,
        self: application.self,
        environment: application.environment,
        maintenanceEverySeconds: options.number('maintenance-every') ?? maintenanceEverySeconds,
        concurrentBackups: options.number('jobs') ?? concurrentBackups,
        onLine: (line) => application.printRaw(`${line}\n`),
        onHangup: (listener) => application.onHangup(listener),
      },
      context,
    );
  },
});
