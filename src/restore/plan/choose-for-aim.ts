import type { Context } from '../../shared/context.ts';
import type { ArchiveFacts } from '../guards/judge-backup.ts';
import { Refusals } from '../guards/refusals.ts';
import { type BackupChoice, chooseBackup, namedBackup } from './choose-backup.ts';
import { planTimeline } from './plan-timeline.ts';
import { readArchiveFacts } from './read-archive-facts.ts';
import type { RestoreAim } from './restore-aim.ts';

/** A backup, the way from it, and the facts that both were chosen by. */
interface Chosen {
  readonly choice: BackupChoice;
  readonly facts: ArchiveFacts;
}

/** Chooses the backup, and the way from it even when its target cannot be reached: the rest of the plan shall be known too. */
export async function chooseForAim(aim: RestoreAim, refusals: Refusals, context: Context): Promise<Chosen | undefined> {
  const facts = await archiveFacts(aim, context);
  const choice = await choose(aim, facts, refusals);
  return choice === undefined ? undefined : { choice, facts };
}

async function archiveFacts({ server, request, backups, countsWaiting }: RestoreAim, context: Context): Promise<ArchiveFacts> {
  const countsPartial = request.fetchesWal || request.takesPartialWal;
  return await readArchiveFacts(
    server,
    {
      segmentSizes: new Set(backups.map(({ xlogSegmentSize }) => xlogSegmentSize)),
      countsArrivals: countsWaiting || countsPartial,
      countsPartial,
    },
    context,
  );
}

async function choose(aim: RestoreAim, facts: ArchiveFacts, refusals: Refusals): Promise<BackupChoice | undefined> {
  const { server, request, backups, target } = aim;
  const { fetchesWal, standbyMode, targetTimeline: timeline } = request;
  const followsSwitches = standbyMode && request.restoreCommand === undefined;
  const acceptsMissingWal = request.allowed.has('missing-wal');
  const wish = { target, timeline, standbyMode, fetchesWal, followsSwitches, acceptsMissingWal };
  const choosing = { serverName: server.config.name, backups, wish };
  const choice = await refusals.take(() => chooseBackup(choosing, request.backup, facts));
  if (choice !== undefined) return choice;
  const backup = await new Refusals().take(() => namedBackup(choosing, request.backup));
  if (backup === undefined) return undefined;
  const own = planTimeline(backup, { choice: 'current', isArchiveRecovery: true }, facts.histories);
  return own.kind === 'refused' ? undefined : { backup, timelines: own.plan, warnings: [], passedOver: [] };
}
