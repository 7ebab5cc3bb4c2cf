import type { Server } from '../../config/server.ts';
import { parseConninfo } from '../../postgres/conninfo.ts';
import { writtenFolders } from '../../restore/host/unfinished-restore.ts';
import type { RestorePlan } from '../../restore/plan/restore-plan.ts';
import { followRecovery, type RecoveryOutcome } from '../../restore/recovery/follow-recovery.ts';
import { serverOwner, startServer } from '../../restore/recovery/start-server.ts';
import type { Context } from '../../shared/context.ts';
import { type Lsn, lsnFromBytes } from '../../wal/lsn.ts';
import { type SegmentName, segmentStart } from '../../wal/wal-name.ts';

/** A restored server that was started and watched. */
export interface StartReport extends RecoveryOutcome {
  readonly dataFolder: string;
  readonly pid: number;
  readonly port: number;
  readonly socketFolder: string;
  readonly logFile: string;
  readonly elapsedSeconds: number;
}

/**
 * Starts what a plan has restored on a private socket and watches its recovery to the target. The server goes on running unless it ended by itself.
 * @throws OperatorError `program-missing`, `destination-unusable`, `command-failed` or `interrupted`
 */
export async function startRestored(server: Server, plan: RestorePlan, context: Context): Promise<StartReport> {
  if (plan.planned === undefined) throw new Error('a finished restore has a plan');
  const { backup, places } = plan.planned;
  const { programPath, environment } = server;
  const version = backup.version ?? 0;
  const startedMs = context.clock.elapsedMs();
  const started = await startServer({
    dataFolder: places.destination,
    folders: writtenFolders(plan.planned),
    owner: await serverOwner(places.destination),
    version,
    programPath,
    environment,
  });
  context.messages.info(
    `Started PostgreSQL on ${places.destination}: process ${String(started.pid)}, socket in ${started.socketFolder}`,
  );
  const outcome = await followRecovery(
    {
      server: started,
      target: plan.target,
      users: usersOf(server),
      from: backup.beginXlog ?? undefined,
      to: endOf(plan),
      standbyMode: plan.request.standbyMode,
      version,
      environment,
    },
    context,
  );
  const { pid, port, socketFolder, logFile } = started;
  const elapsedSeconds = (context.clock.elapsedMs() - startedMs) / 1000;
  return { ...outcome, dataFolder: places.destination, pid, port, socketFolder, logFile, elapsedSeconds };
}

/** The role of the configuration is on the server that was backed up, `postgres` is nearly always. */
function usersOf({ config }: Server): readonly string[] {
  const { conninfo } = config.options;
  const user = conninfo === undefined ? undefined : parseConninfo(conninfo).get('user');
  return [...new Set([...(user === undefined ? [] : [user]), 'postgres'])];
}

function endOf({ target, planned }: RestorePlan): Lsn | undefined {
  if (target.kind === 'lsn') return target.lsn;
  if (target.kind === 'immediate') return planned?.backup.endXlog ?? undefined;
  const last = planned?.wal.range?.last;
  return last === undefined || planned === undefined ? undefined : afterSegment(last, planned.backup.xlogSegmentSize);
}

function afterSegment(name: SegmentName, segmentSize: number): Lsn {
  return lsnFromBytes(segmentStart(name, segmentSize) + BigInt(segmentSize));
}
