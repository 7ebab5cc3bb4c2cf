import { instantOfId } from '../catalog/backups/backup.ts';
import { readBackupRecords } from '../catalog/backups/backup-records.ts';
import { serverLockPath } from '../catalog/server-layout.ts';
import type { Server } from '../config/server.ts';
import type { Context } from '../shared/context.ts';
import { isLockHeld, tryLockFile } from '../shared/file-lock.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { epochSeconds } from '../shared/timestamp.ts';
import { notifySystemd } from '../transport/programs/notify-systemd.ts';
import { failureOf } from '../transport/programs/program-result.ts';
import { runProgram } from '../transport/programs/run-program.ts';
import { parseBackupSchedule } from './backup-schedule.ts';
import { type ScheduledServer, ScheduleKeeper, type ScheduleState } from './keep-schedules.ts';
import { firstPlanned } from './plan-backup.ts';

interface RunScheduleOptions {
  /** Reads every configured server. */
  readonly reload: () => readonly Server[];
  /** The beginning of a command line of ours. */
  readonly self: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly maintenanceEverySeconds: number;
  readonly concurrentBackups: number;
  /** Gets what the commands that are run write to standard error. */
  readonly onLine: (line: string) => void;
  /** Told each SIGHUP. */
  readonly onHangup: (listener: () => void) => void;
}

/** Maintenance each minute and each server's backups at their times, until we are told to stop; ends when what runs has ended. */
export async function runSchedule(options: RunScheduleOptions, context: Context): Promise<void> {
  let servers: readonly Server[] = [];
  const named = (name: string): Server => {
    const found = servers.find(({ config }) => config.name === name);
    if (found === undefined) throw new OperatorError('unknown-server', `Unknown server '${name}'`);
    return found;
  };
  let telling = Promise.resolve();
  const keeper = new ScheduleKeeper(
    {
      load: () => {
        servers = options.reload();
        return scheduledOf(servers, context);
      },
      newestBegun: async (name) => await newestBegun(named(name), context.clock.now()),
      maintain: async () => await runOwn(['cron'], options),
      backUp: async (name, planned) => await backUpOnce(named(name), planned, options, context),
      tell: (state) => {
        telling = telling.then(async () => await tell(state, options, context)); // one after the other, as they happen
      },
    },
    {
      ...context,
      log: context.log.named('schedule'),
      maintenanceEveryMs: options.maintenanceEverySeconds * 1000,
      concurrentBackups: options.concurrentBackups,
    },
  );
  options.onHangup(() => keeper.reload());
  await keeper.run();
  await telling;
}

/** Servers that take backups and have a schedule that can be kept; one that cannot is told, and keeps no other from theirs. */
function scheduledOf(servers: readonly Server[], { messages }: Pick<Context, 'messages'>): readonly ScheduledServer[] {
  const scheduled: ScheduledServer[] = [];
  for (const { config } of servers) {
    const { backup_schedule: text } = config.options;
    if (text === undefined || !config.isActive || config.isPassive || config.problems.length > 0) continue;
    try {
      scheduled.push({ name: config.name, schedule: parseBackupSchedule(text) });
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      messages.error(`server ${config.name}: ${error.message}`);
    }
  }
  return scheduled;
}

/** A server's schedule, for who asks. */
export interface ScheduleReport {
  readonly name: string;
  readonly text: string;
  /** The next times after now. */
  readonly next: readonly Date[];
  /** A time passed since the newest backup: a backup begins immediately. */
  readonly isMissed: boolean;
}

const shownTimes = 3;

/** Every schedule with its next times, by name. */
export async function listSchedules(
  servers: readonly Server[],
  context: Pick<Context, 'clock' | 'messages'>,
): Promise<readonly ScheduleReport[]> {
  const now = context.clock.now();
  const reports: ScheduleReport[] = [];
  for (const { name, schedule } of scheduledOf(servers, context)) {
    const server = servers.find(({ config }) => config.name === name);
    const newest = server === undefined ? undefined : await newestBegun(server, now);
    const next: Date[] = [];
    while (next.length < shownTimes) next.push(schedule.nextAfter(next.at(-1) ?? now));
    reports.push({ name, text: schedule.text, next, isMissed: firstPlanned(schedule, newest, now) <= now });
  }
  return reports;
}

/** When the newest backup of a server was begun, whatever became of it. A time to come is that of a clock that was set back since. */
async function newestBegun({ layout }: Server, now: Date): Promise<Date | undefined> {
  const { backups } = await readBackupRecords(layout);
  const begun = backups.map(({ id, beginTime }) =>
    beginTime === null ? instantOfId(id) : new Date(epochSeconds(beginTime) * 1000),
  );
  const past = begun.filter((time) => time <= now);
  return past.reduce<Date | undefined>((newest, time) => (newest === undefined || time > newest ? time : newest), undefined);
}

async function backUpOnce(
  server: Server,
  planned: Date,
  options: RunScheduleOptions,
  context: Context,
): Promise<'ended' | 'already-taken' | 'busy'> {
  const { name } = server.config;
  await using lock = await tryLockFile(serverLockPath(server.layout, 'schedule'));
  if (lock === undefined || (await isLockHeld(serverLockPath(server.layout, 'backup')))) return 'busy';
  const newest = await newestBegun(server, context.clock.now());
  if (newest !== undefined && newest >= planned) return 'already-taken';
  context.messages.info(`Starting the backup of server ${name} that was planned for ${planned.toISOString()}`);
  await runOwn(['backup', name], options);
  context.messages.info(`The backup of server ${name} that was planned for ${planned.toISOString()} has ended`);
  return 'ended';
}

/** Runs a command of ours to its end; it is not told to stop with us, so that what was begun is ended. */
async function runOwn(words: readonly string[], { self, environment, onLine }: RunScheduleOptions): Promise<void> {
  const result = await runProgram([...self, ...words], { environment, onStderrLine: onLine });
  if (result.exitCode !== 0) throw failureOf(result, words.join(' '));
}

/** CLOCK_MONOTONIC, which is what Node's high resolution time is on Linux. */
function monotonicMicros(): string {
  return String(process.hrtime.bigint() / 1000n);
}

async function tell(state: ScheduleState, { environment }: RunScheduleOptions, context: Context): Promise<void> {
  const { messages, log } = context;
  switch (state.kind) {
    case 'ready': {
      const next = [...state.next].map(([name, time]) => `${name} ${time.toISOString()}`).join(', ');
      messages.info(next === '' ? 'No server has a backup_schedule; maintenance only' : `Next backups: ${next}`);
      await notifySystemd(
        ['READY=1', `STATUS=${next === '' ? 'maintenance only' : `next backups: ${next}`}`],
        environment,
        log,
      );
      return;
    }
    case 'reloading':
      messages.info('Reading the configuration again');
      await notifySystemd(['RELOADING=1', `MONOTONIC_USEC=${monotonicMicros()}`], environment, log);
      return;
    case 'draining':
      messages.info(state.running.length === 0 ? 'Stopping' : `Stopping when this has ended: ${state.running.join(', ')}`);
      await notifySystemd(['STOPPING=1', `STATUS=ending: ${state.running.join(', ')}`], environment, log);
      return;
  }
}
