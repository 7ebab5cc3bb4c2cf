import { join } from 'node:path';
import { readAnnotations } from '../../catalog/backups/annotations.ts';
import type { Backup } from '../../catalog/backups/backup.ts';
import type { Context } from '../../shared/context.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { formatLsn } from '../../wal/lsn.ts';
import { segmentIndex } from '../../wal/wal-name.ts';
import { type BackupSource, sourceOf } from '../content/backup-source.ts';
import { judgeLinks } from '../content/linked-folders.ts';
import type { SourceContent } from '../content/source-content.ts';
import { canClone } from '../fill/can-clone.ts';
import { judgeDestination } from '../guards/judge-destination.ts';
import { judgeLaterTablespaces } from '../guards/later-tablespaces.ts';
import type { Refusals } from '../guards/refusals.ts';
import { refuseImpossibleWays } from '../guards/refuse-impossible-ways.ts';
import { refuseMissingMeans } from '../guards/refuse-missing-means.ts';
import { refuseOldVersion } from '../guards/refuse-old-version.ts';
import { refuseStart } from '../guards/refuse-start.ts';
import { refusalOf, withoutConfiguration } from '../recovery/mangle-configuration.ts';
import { type RecoverySettings, recoverySettings } from '../recovery/recovery-settings.ts';
import { includedFromElsewhere, includedTargetsOf, sourceConfiguration } from '../recovery/source-configuration.ts';
import { refuseLateTarget } from '../target/refuse-late-target.ts';
import { backupReason } from './backup-reason.ts';
import { chooseForAim } from './choose-for-aim.ts';
import { type DestinationPlan, planDestination } from './plan-destination.ts';
import { planReadableWals } from './plan-readable-wals.ts';
import { planSpaces, tooSmall } from './plan-spaces.ts';
import { planStages } from './plan-stages.ts';
import { planStaging, type StagingPlan, stagingFolders } from './plan-staging.ts';
import type { TimelinePlan } from './plan-timeline.ts';
import { planTrees } from './plan-trees.ts';
import type { WalPlan } from './plan-wals.ts';
import { primaryAdvice } from './primary-advice.ts';
import type { RestoreAim, Told } from './restore-aim.ts';
import type { PlannedRestore, PlannedSpace, PlannedTree } from './restore-plan.ts';
import { readRates } from './restore-rates.ts';

/** Chooses a backup and decides all that follows from it; undefined when there is none, or none that can be looked into. */
export async function planChosen(aim: RestoreAim, told: Told, context: Context): Promise<PlannedRestore | undefined> {
  const { server, request, backups, target } = aim;
  const { refusals, warnings } = told;
  const chosen = await chooseForAim(aim, refusals, context);
  if (chosen === undefined) return undefined;
  const { choice, facts } = chosen;
  const { backup, timelines } = choice;
  warnings.push(...choice.warnings);
  const reachesTarget = await refuseLateTarget(aim, { backup, timelines, facts }, told, context);
  await refuseBackup(aim, backup, refusals);
  // without a target, too, a restore goes to the end of the archived WAL, wherever that lies
  const isPitr = aim.isPitr || timelines.timeline !== timelines.lineage[0]?.timeline;
  const { places, keptLinks } = await planPlaces({ ...aim, isPitr }, backup, told);
  const { destination } = places;
  warnings.push(
    ...(await judgeLaterTablespaces({ backup, backups, target, restoreHost: aim.restoreHost, destination }, refusals.add)),
  );
  const source = await refusals.take(() => sourceOf(backup, backups, server.layout));
  if (source === undefined) return undefined;
  refuseImpossibleWays(request, source, refusals.add);
  const content = await refusals.take(() => aim.reader.read(source));
  for (const { error, allowance, isDoubt } of content?.losses ?? []) {
    if (isDoubt === true) warnings.push(error.message);
    else refusals.add(error, allowance);
  }
  const includedTargets = includedTargetsOf(content);
  const settings = settingsOf({ ...aim, isPitr }, { backup, timelines, places, includedTargets });
  if (request.standbyMode && content !== undefined) warnings.push(primaryAdvice(content, backup.version ?? 0));
  warnings.push(...(await includedFromElsewhere(content?.included ?? [], aim.restoreHost)));
  const wal = await planReadableWals(aim, { backup, timelines, facts, reachesTarget, refusals }, context);
  warnings.push(...wal.warnings);
  const work = await planWork(aim, { source, places, trees: planTrees(places, source, content), wal }, refusals);
  if (work === undefined) return undefined;
  warnings.push(...withoutConfiguration(content?.configuration, backup, destination));
  const recoveryFile = settings?.isAppended === true ? settings.fileName : undefined;
  if (recoveryFile !== undefined) refuseUnwritable(recoveryFile, content, places, refusals);
  return {
    backup,
    reason: backupReason(request.backup, target),
    passedOver: choice.passedOver,
    source,
    places,
    keptLinks,
    timelines,
    wal,
    settings,
    configuration: await sourceConfiguration({ content, backup, recoveryFile, standbyMode: request.standbyMode }),
    ...work,
  };
}

async function refuseBackup(aim: RestoreAim, backup: Backup, refusals: Refusals): Promise<void> {
  refuseOldVersion(backup, aim, refusals.add);
  const { goings } = await readAnnotations(aim.server.layout, [backup.id]);
  const range = backwardsRange(backup);
  if (range !== undefined) {
    const reason = `backup ${backup.id} cannot become consistent: according to its record, it begins ${range}`;
    refusals.add(new OperatorError('backup-not-usable', reason, { hint: 'restore from another backup' }));
  }
  if (goings.has(backup.id)) refusals.add(new OperatorError('backup-not-usable', `backup ${backup.id} is being deleted`));
}

/** Where a backup begins and ends that ends before it begins, by position or by segment. */
function backwardsRange({ beginXlog, endXlog, beginWal, endWal, xlogSegmentSize: size }: Backup): string | undefined {
  if (beginXlog !== null && endXlog !== null && endXlog < beginXlog)
    return `at ${formatLsn(beginXlog)} and ends at ${formatLsn(endXlog)}`;
  if (beginWal !== null && endWal !== null && segmentIndex(endWal, size) < segmentIndex(beginWal, size))
    return `in ${beginWal} and ends in ${endWal}`;
  return undefined;
}

async function planPlaces(
  aim: RestoreAim,
  backup: Backup,
  { refusals, warnings }: Told,
): Promise<Pick<PlannedRestore, 'places' | 'keptLinks'>> {
  const { server, request, restoreHost, isPitr } = aim;
  const places = planDestination(server.layout, { request, backup, isPitr }, refusals.add);
  const judging = { plan: places, restoreHost, layout: server.layout, backup, isDelta: request.isDelta };
  await judgeDestination(judging, refusals.add);
  const links = await refusals.take(() => judgeLinks(judging, refusals.add));
  warnings.push(...(links?.told ?? []));
  if (request.startsServer) await refuseStart({ ...aim, backup, destination: places.destination }, refusals);
  return { places, keptLinks: links?.kept ?? [] };
}

function refuseUnwritable(
  file: string,
  content: SourceContent | undefined,
  { destination }: DestinationPlan,
  refusals: Refusals,
): void {
  const refusal = refusalOf(content?.configuration.get(file) ?? { kind: 'missing' }, join(destination, file));
  if (refusal !== undefined) refusals.add(refusal);
}

interface Decided {
  readonly backup: Backup;
  readonly timelines: TimelinePlan;
  readonly places: DestinationPlan;
  readonly includedTargets: readonly string[];
}

function settingsOf(
  { server, request, target, isPitr, backupHost }: RestoreAim,
  { backup, timelines, places, includedTargets }: Decided,
): RecoverySettings | undefined {
  return recoverySettings({
    version: backup.version ?? 0,
    serverName: server.config.name,
    target,
    isPitr,
    timelineSetting: timelines.setting,
    hiddenTimelines: timelines.hidden,
    wal: places.wal,
    includedTargets,
    backupHost,
    request,
  });
}

/** The trees to copy, with their destinations. */
interface Moved {
  readonly source: BackupSource;
  readonly places: DestinationPlan;
  readonly trees: readonly PlannedTree[];
  readonly wal: WalPlan;
}

type Work = Pick<PlannedRestore, 'trees' | 'spaces' | 'staging' | 'stages'>;

async function planWork(aim: RestoreAim, moved: Moved, refusals: Refusals): Promise<Work | undefined> {
  const { server, request, restoreHost, hostName, here, reader } = aim;
  const { source, trees, wal } = moved;
  const { xlogSegmentSize: segmentSize } = source.leaf.backup;
  const totalBytes = trees.reduce((sum, { bytes }) => sum + bytes, 0);
  const staging = await refusals.take(() => planStaging({ source, request, totalBytes, wal, segmentSize }));
  if (staging === undefined) return undefined;
  const spaces = await planRoom(aim, { ...moved, staging }, refusals);
  await refuseMissingMeans({ request, source, staging, restoreHost, here, reader }, refusals);
  const isSent = restoreHost.kind === 'remote' || request.isDelta;
  const rates = await readRates(server.layout);
  return {
    trees,
    spaces,
    staging: stagingFolders(staging, request.stagingPath, hostName),
    stages: planStages({ source, trees, walBytes: wal.bytes, host: hostName, isSent, staging, rates }),
  };
}

async function planRoom(
  { request: { stagingPath, isDelta }, here, restoreHost, hostName }: RestoreAim,
  { source, places, trees, wal, staging }: Moved & { readonly staging: StagingPlan },
  refusals: Refusals,
): Promise<readonly PlannedSpace[]> {
  const question = { here, restoreHost, hostName, source, places, trees, staged: staging, stagingPath, isDelta, canClone };
  const spaces = await planSpaces({ ...question, walBytes: wal.bytes });
  for (const space of spaces) if (space.neededBytes > space.freeBytes) refusals.add(tooSmall(space), 'space');
  return spaces;
}
