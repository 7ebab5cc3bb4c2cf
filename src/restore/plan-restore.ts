import { readAnnotations } from '../catalog/annotations.ts';
import type { Backup } from '../catalog/backup.ts';
import { readBackupRecords } from '../catalog/backup-records.ts';
import type { Server } from '../config/server.ts';
import { requireClientProgram } from '../postgres/client-programs.ts';
import type { Context } from '../shared/context.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { formatLongTime } from '../shared/timestamp.ts';
import { type BackupSource, dataFolder, sourceOf, tablespaceFolder } from './backup-source.ts';
import { canClone } from './can-clone.ts';
import { type BackupChoice, chooseBackup, namedBackup } from './choose-backup.ts';
import { configuredZone } from './configured-zone.ts';
import type { ArchiveFacts } from './judge-backup.ts';
import { judgeDestination } from './judge-destination.ts';
import { type MangledConfiguration, planConfiguration } from './mangle-configuration.ts';
import type { Place } from './place.ts';
import { type DestinationPlan, planDestination } from './plan-destination.ts';
import { planSpaces } from './plan-spaces.ts';
import { planStages } from './plan-stages.ts';
import { planStaging, type StagingPlan } from './plan-staging.ts';
import { planTimeline, type TimelinePlan } from './plan-timeline.ts';
import { planWals, type WalPlan } from './plan-wals.ts';
import { primaryAdvice } from './primary-advice.ts';
import { readArchiveFacts, readWaitingWals, type WaitingWal } from './read-archive-facts.ts';
import type { SourceContent, SourceReader } from './read-source-content.ts';
import { recoverySettings } from './recovery-settings.ts';
import { parseTarget, type RecoveryTarget } from './recovery-target.ts';
import { Refusals } from './refusals.ts';
import { refuseMissingMeans } from './refuse-missing-means.ts';
import { requireReadableWals } from './require-readable-wals.ts';
import { type RestoreRequest, unavailableChoices } from './restore-options.ts';
import type { PlannedRestore, PlannedSpace, PlannedStaging, PlannedTree, RestorePlan } from './restore-plan.ts';
import { readRates } from './restore-rates.ts';
import { serverOwner } from './start-server.ts';
import type { AssumedZone } from './target-time.ts';

interface Planning {
  readonly server: Server;
  readonly request: RestoreRequest;
  readonly place: Place;
  /** `local`, or the host. */
  readonly placeName: string;
  /** This host, where the catalog is. */
  readonly here: Place;
  /** Full name of this host. */
  readonly backupHost: string;
  readonly reader: SourceReader;
  /** WAL that waits counts as archived: a restore archives it before it begins. */
  readonly countsWaiting: boolean;
}

interface Aim extends Planning {
  readonly backups: readonly Backup[];
  readonly target: RecoveryTarget;
  readonly isPitr: boolean;
}

/**
 * Reads what there is and decides all of a restore, without writing a byte: which backup, from where to where, which WAL, which settings, and every reason
 * why it cannot be done.
 */
export async function planRestore(planning: Planning, context: Context): Promise<RestorePlan> {
  const { server, request } = planning;
  const refusals = new Refusals(request.allowed);
  const warnings: string[] = [];
  for (const { ignoring, message } of unavailableChoices(request)) {
    if (ignoring === 'refuse') refusals.add(new OperatorError('not-available-yet', message));
    else warnings.push(message);
  }
  warnings.push(...contradictionsIn(request));
  const { backups } = await readBackupRecords(server.layout);
  const zone = request.targetTime === undefined ? undefined : await zoneFor(planning, backups);
  const { target, isPitr, warnings: about } = parseTarget(request, zone, refusals.add);
  warnings.push(...about);
  await refusals.take(() => requireFileName(request.recoveryConfFilename));
  const aim = { ...planning, backups, target, isPitr };
  const planned = await planChosen(aim, { refusals, warnings }, context);
  const all = [...warnings, ...refusals.warnings];
  return { serverName: server.config.name, request, target, isPitr, planned, warnings: all, refusals: refusals.errors };
}

interface Told {
  readonly refusals: Refusals;
  readonly warnings: string[];
}

async function planChosen(aim: Aim, { refusals, warnings }: Told, context: Context): Promise<PlannedRestore | undefined> {
  const { server, request, place, backups, target, isPitr } = aim;
  const facts = await archiveFacts(aim, context);
  const choice = await choose(aim, facts, refusals);
  if (choice === undefined) return undefined;
  const { backup, timelines } = choice;
  warnings.push(...choice.warnings);
  refuseOldVersion(aim, backup, refusals);
  const { goings } = await readAnnotations(server.layout, [backup.id]);
  if (goings.has(backup.id)) refusals.add(new OperatorError('backup-not-usable', `backup ${backup.id} is being deleted`));
  const places = planDestination(server.layout, { request, backup, isPitr }, refusals.add);
  await judgeDestination({ plan: places, place, layout: server.layout, backup, isDelta: request.isDelta }, refusals.add);
  if (request.startsServer) await refuseStart(aim, { backup, destination: places.destination }, refusals);
  const settings = recoverySettings({
    version: backup.version ?? 0,
    serverName: server.config.name,
    target,
    isPitr,
    timelineSetting: timelines.setting,
    wal: places.wal,
    backupHost: aim.backupHost,
    request,
  });
  const source = await refusals.take(() => sourceOf(backup, backups, server.layout));
  if (source === undefined) return undefined;
  refuseImpossibleWays(request, source, refusals);
  const recoveryFile = settings?.isAppended === true ? settings.fileName : undefined;
  const content = await refusals.take(() => aim.reader.read(source));
  if (request.standbyMode && content !== undefined) warnings.push(primaryAdvice(content.configuration, backup.version ?? 0));
  const wal = await planWalsOf(aim, { backup, timelines, facts, refusals }, context);
  const trees = treesOf(places, source, content);
  const { xlogSegmentSize: segmentSize } = backup;
  const totalBytes = trees.reduce((sum, { bytes }) => sum + bytes, 0);
  const staging = await refusals.take(() => planStaging({ source, request, totalBytes, wal, segmentSize }));
  if (staging === undefined) return undefined;
  const { stagingPath, isDelta } = request;
  const spaceQuestion = { here: aim.here, place, placeName: aim.placeName, source, places, trees, staged: staging, canClone };
  const spaces = await planSpaces({ ...spaceQuestion, walBytes: wal.bytes, stagingPath, isDelta });
  for (const space of spaces) if (space.neededBytes > space.freeBytes) refusals.add(tooSmall(space), 'space');
  await refuseMissingMeans({ request, source, staging, place, here: aim.here, reader: aim.reader }, refusals);
  const rates = await readRates(server.layout);
  return {
    backup,
    reason: reasonFor(request.backup, target),
    passedOver: choice.passedOver,
    source,
    places,
    trees,
    spaces,
    timelines,
    wal,
    settings,
    configuration: await configurationOf(content, backup, recoveryFile),
    staging: stagingsOf(aim, staging),
    stages: planStages({
      source,
      trees,
      walBytes: wal.bytes,
      place: aim.placeName,
      isSent: place.kind === 'remote' || request.isDelta,
      staging,
      rates,
    }),
  };
}

async function archiveFacts({ server, request, backups, countsWaiting }: Aim, context: Context): Promise<ArchiveFacts> {
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

/** The backup, and the way from it even when its target cannot be reached: the rest of the plan shall be known too. */
async function choose(aim: Aim, facts: ArchiveFacts, refusals: Refusals): Promise<BackupChoice | undefined> {
  const { server, request, backups, target } = aim;
  const { fetchesWal, standbyMode, targetTimeline: timeline } = request;
  const wish = { target, timeline, standbyMode, fetchesWal, acceptsMissingWal: request.allowed.has('missing-wal') };
  const choosing = { serverName: server.config.name, backups, wish };
  const choice = await refusals.take(() => chooseBackup(choosing, request.backup, facts));
  if (choice !== undefined) return choice;
  const backup = await new Refusals().take(() => namedBackup(choosing, request.backup));
  if (backup === undefined) return undefined;
  const own = planTimeline(backup, { choice: 'current', isArchiveRecovery: true }, facts.histories);
  return own.kind === 'refused' ? undefined : { backup, timelines: own.plan, warnings: [], passedOver: [] };
}

function refuseOldVersion({ request, target }: Aim, { id, version }: Backup, refusals: Refusals): void {
  if (version === null) {
    refusals.add(new OperatorError('backup-not-usable', `the record of backup ${id} does not say its PostgreSQL version`));
    return;
  }
  // PostgreSQL learned `recovery_target_lsn` in 10, and `recovery_target_action` in 9.5
  if (target.kind === 'lsn' && version < 100_000) {
    refusals.add(new OperatorError('target-invalid', '--target-lsn needs PostgreSQL 10'));
  }
  if (request.action !== undefined && version < 90_500) {
    refusals.add(new OperatorError('target-invalid', '--target-action needs PostgreSQL 9.5'));
  }
}

/** cli.md section 9: what cannot go together. */
function refuseImpossibleWays(request: RestoreRequest, { leaf, members }: BackupSource, refusals: Refusals): void {
  const { isDelta, remoteSshCommand, stagingLocation } = request;
  const isPlain = members.length === 1 && leaf.form === 'plain';
  const stagesThere = stagingLocation === 'remote' && !isPlain;
  if (stagesThere && remoteSshCommand === undefined) {
    refusals.add(new OperatorError('options-contradict', 'a remote staging location needs --remote-ssh-command'));
  }
  if (isDelta && !isPlain && (remoteSshCommand === undefined || stagesThere)) {
    refusals.add(
      new OperatorError(
        'options-contradict',
        'a delta restore needs a plain backup: incremental, compressed or encrypted ones are made anew',
        {
          hint: 'restore into an empty folder',
        },
      ),
    );
  }
}

/** What stands against starting the server afterwards. */
async function refuseStart(
  { server, request }: Aim,
  { backup, destination }: { readonly backup: Backup; readonly destination: string },
  refusals: Refusals,
): Promise<void> {
  if (request.remoteSshCommand !== undefined) {
    refusals.add(
      new OperatorError('options-contradict', '--start works on this host only, not with --remote-ssh-command', {
        hint: 'restore without it, then start PostgreSQL on that host and follow its log',
      }),
    );
    return;
  }
  const { programPath: path, environment } = server;
  await refusals.take(() => serverOwner(destination));
  await refusals.take(() =>
    requireClientProgram('postgres', { path, environment, serverVersion: backup.version ?? 0, isSameMajor: true }),
  );
}

interface WalAim {
  readonly backup: Backup;
  readonly timelines: TimelinePlan;
  readonly facts: ArchiveFacts;
  readonly refusals: Refusals;
}

const noWal: WalPlan = { copies: [], streamingPartial: undefined, range: undefined, holes: [], bytes: 0 };

async function planWalsOf(aim: Aim, { backup, timelines, facts, refusals }: WalAim, { signal }: Context): Promise<WalPlan> {
  const { server, request, target, countsWaiting } = aim;
  const waiting: readonly WaitingWal[] = countsWaiting ? await readWaitingWals(server.layout) : [];
  const question = { server, request, backup, target, lineage: timelines.lineage, facts, waiting };
  const wal = (await refusals.take(() => planWals(question, signal))) ?? noWal;
  await refusals.take(() => requireReadableWals(server, wal.copies, waiting));
  return wal;
}

function treesOf(places: DestinationPlan, { leaf }: BackupSource, content: SourceContent | undefined): readonly PlannedTree[] {
  const unknown = { bytes: leaf.backup.size ?? 0, files: 0, isExact: false };
  const data: PlannedTree = {
    kind: 'data',
    name: undefined,
    source: dataFolder(leaf),
    destination: places.destination,
    ...(content?.data ?? unknown),
  };
  const tablespaces = places.tablespaces.map(({ oid, name, location }): PlannedTree => {
    const size = content?.tablespaces.get(oid) ?? { bytes: 0, files: 0, isExact: false };
    const source = leaf.form === 'tar' ? dataFolder(leaf) : tablespaceFolder(leaf, oid);
    return { kind: 'tablespace', name, source, destination: location, ...size };
  });
  return [data, ...tablespaces];
}

function stagingsOf({ request, placeName }: Aim, { here, there }: StagingPlan): readonly PlannedStaging[] {
  const { stagingPath: path } = request;
  return [
    ...(here === undefined ? [] : [{ host: 'local', path, bytes: here }]),
    ...(there === undefined ? [] : [{ host: placeName, path, bytes: there }]),
  ];
}

async function configurationOf(
  content: SourceContent | undefined,
  { version }: Backup,
  recoveryFile: string | undefined,
): Promise<MangledConfiguration> {
  if (content === undefined) return { changes: [], warnings: [], missingFiles: [], linkedFiles: [] };
  const read = async (name: string) => await Promise.resolve(content.configuration.get(name) ?? ({ kind: 'missing' } as const));
  const { changes, warnings, missingFiles, linkedFiles } = await planConfiguration(read, version ?? 0, recoveryFile);
  return { changes, warnings, missingFiles, linkedFiles };
}

/** The zone of the server that is restored, from the configuration in its backup: that of the newest one when none is named. */
async function zoneFor({ server, request, reader }: Planning, backups: readonly Backup[]): Promise<AssumedZone | undefined> {
  const quiet = new Refusals();
  const choosing = { serverName: server.config.name, backups };
  const wanted = request.backup === 'auto' ? 'latest' : request.backup;
  const backup = await quiet.take(() => namedBackup(choosing, wanted));
  const source = backup === undefined ? undefined : await quiet.take(() => sourceOf(backup, backups, server.layout));
  if (backup === undefined || source === undefined) return undefined;
  const names = ['postgresql.conf', 'postgresql.auto.conf'];
  const content = await quiet.take(() => reader.read(source));
  const files = names.flatMap((file) => {
    const found = content?.configuration.get(file);
    return found?.kind === 'file' ? [{ file, text: found.text }] : [];
  });
  return configuredZone(files, backup.id);
}

function contradictionsIn(request: RestoreRequest): readonly string[] {
  const { fetchesWal, takesPartialWal, restoreCommand, isImmediate, stagingWalDirectory } = request;
  const all: readonly (readonly [boolean, string])[] = [
    [restoreCommand !== undefined && !fetchesWal, '--restore-command has no effect without --get-wal'],
    [takesPartialWal && fetchesWal, '--partial-wal has no effect with --get-wal'],
    [takesPartialWal && isImmediate, '--partial-wal has no effect with --target-immediate'],
    [stagingWalDirectory !== undefined && fetchesWal, '--staging-wal-directory has no effect with --get-wal'],
  ];
  return all.filter(([isIgnored]) => isIgnored).map(([, message]) => message);
}

function requireFileName(name: string | undefined): void {
  if (name === undefined || (/^[^/\p{Cc}]+$/u.test(name) && name !== '.' && name !== '..')) return;
  throw new OperatorError(
    'target-invalid',
    `--recovery-conf-filename takes the name of a file in the destination, not '${name}'`,
  );
}

function tooSmall({ host, path, neededBytes, freeBytes }: PlannedSpace): OperatorError {
  const where = host === 'local' ? path : `${path} on ${host}`;
  const short = `${String(neededBytes)} bytes are needed and ${String(freeBytes)} are free`;
  return new OperatorError('destination-unusable', `there is too little space at ${where}: ${short}`, {
    hint: 'make some space, or put tablespaces elsewhere with --tablespace NAME:FOLDER, staged files with --staging-path FOLDER',
  });
}

function reasonFor(wanted: string, target: RecoveryTarget): string {
  switch (wanted) {
    case 'auto':
      if (target.kind === 'time') return `the newest one from which ${formatLongTime(target.time)} can be reached`;
      return target.kind === 'lsn' ? 'the newest one from which the LSN can be reached' : 'the newest one that can be restored';
    case 'latest':
    case 'last':
      return 'the newest one';
    case 'oldest':
    case 'first':
      return 'the oldest one';
    default:
      return `it was asked for as '${wanted}'`;
  }
}
