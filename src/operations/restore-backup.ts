import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { readAnnotations } from '../catalog/annotations.ts';
import type { Backup } from '../catalog/backup.ts';
import { formatBackupInfo } from '../catalog/backup-info.ts';
import { readBackupRecords } from '../catalog/backup-records.ts';
import { neighboursOf } from '../catalog/find-backup.ts';
import { backupFolder, backupInfoPath, backupLockPath } from '../catalog/server-layout.ts';
import type { Server } from '../config/server.ts';
import { unavailableOptionsInUse } from '../config/unavailable-options.ts';
import { backupHookVariables, recoveryHookVariables } from '../hooks/hook-variables.ts';
import { type HookVariables, runPostHooks, runPreHooksOrFail } from '../hooks/run-hooks.ts';
import { type BackupChoice, chooseBackup, namedBackup } from '../restore/choose-backup.ts';
import { copyControlFile, copyTree } from '../restore/copy-tree.ts';
import { copyWals, makeWalFolder, requireReadableWals } from '../restore/copy-wals.ts';
import { type MangledConfiguration, mangleConfiguration, writeRecoverySettings } from '../restore/mangle-configuration.ts';
import { type DestinationPlan, planDestination, requireUsableDestination } from '../restore/plan-destination.ts';
import { readArchiveFacts, readEntriesFrom } from '../restore/read-archive-facts.ts';
import { type RecoverySettings, recoverySettings } from '../restore/recovery-settings.ts';
import { describeTarget, parseTarget, type RecoveryTarget } from '../restore/recovery-target.ts';
import { type RestoreRequest, unavailableChoices } from '../restore/restore-options.ts';
import { segmentAfter, selectWals, type WalRange, type WalToCopy } from '../restore/select-wals.ts';
import type { Context } from '../shared/context.ts';
import { writeFileDurably } from '../shared/durable-file.ts';
import { type FileLock, tryLockFile } from '../shared/file-lock.ts';
import { pathExists } from '../shared/look.ts';
import { messageOf, OperatorError } from '../shared/operator-error.ts';
import { localTimestamp } from '../shared/timestamp.ts';
import { requireProgram } from '../transport/find-program.ts';
import { failureOf } from '../transport/program-result.ts';
import { runProgram } from '../transport/run-program.ts';
import type { RestoreReport } from './reports/restore-reports.ts';

/** Everything that is decided before the first byte is written. */
interface RestorePlan {
  readonly server: Server;
  readonly request: RestoreRequest;
  readonly backup: Backup;
  readonly choice: BackupChoice;
  readonly target: RecoveryTarget;
  readonly isPitr: boolean;
  readonly place: DestinationPlan;
  readonly wals: readonly WalToCopy[];
  readonly streamingPartial: { readonly path: string; readonly restoredName: string } | undefined;
  readonly settings: RecoverySettings | undefined;
  readonly warnings: readonly string[];
}

/**
 * Restores a backup into a folder of this host (cli.md section 9, engine.md section 12). Everything that can be known to fail is refused
 * before anything is written; the control file comes last, so what a crash leaves cannot be started.
 * @param archivePending archives the WAL that waits in the incoming and streaming folders
 * @throws OperatorError with one of the codes of the rooms below
 */
export async function restoreBackup(
  server: Server,
  request: RestoreRequest,
  context: Context,
  archivePending: () => Promise<void>,
): Promise<RestoreReport> {
  const startedAt = localTimestamp(context.clock.now());
  const startedMs = context.clock.elapsedMs();
  tellUnavailable(server, request, context);
  await requireKnownBackup(server, request);
  if (!request.skipsArchiving) await archiveFirst(archivePending, context);
  const plan = await planRestore(server, request, context);
  const lock = await protectFromDeletion(plan, context);
  const mangled = await restoreWithHooks(plan, context).finally(() => lock?.release());
  return {
    changes: mangled.changes,
    warnings: mangled.warnings,
    missingFiles: mangled.missingFiles,
    fetchesWal: request.fetchesWal,
    startedAt,
    elapsedSeconds: (context.clock.elapsedMs() - startedMs) / 1000,
  };
}

function tellUnavailable(server: Server, request: RestoreRequest, { messages }: Pick<Context, 'messages'>): void {
  for (const { ignoring, message } of unavailableChoices(request)) {
    if (ignoring === 'refuse') throw new OperatorError('not-available-yet', message);
    messages.warning(message);
  }
  for (const { ignoring, message } of unavailableOptionsInUse(server.config, 'restore')) {
    // a passphrase command that is configured only matters to what is encrypted, and that is refused by itself
    if (ignoring === 'warn') messages.warning(message);
  }
  for (const [isIgnored, message] of contradictionsIn(request)) if (isIgnored) messages.warning(message);
}

function contradictionsIn(request: RestoreRequest): readonly (readonly [boolean, string])[] {
  const { fetchesWal, takesPartialWal, restoreCommand, isImmediate, stagingWalDirectory } = request;
  return [
    [restoreCommand !== undefined && !fetchesWal, '--restore-command has no effect without --get-wal'],
    [takesPartialWal && fetchesWal, '--partial-wal has no effect with --get-wal'],
    [takesPartialWal && isImmediate, '--partial-wal has no effect with --target-immediate'],
    [stagingWalDirectory !== undefined && fetchesWal, '--staging-wal-directory has no effect with --get-wal'],
  ];
}

/** A wrong name should not wait for WAL to be archived. */
async function requireKnownBackup(server: Server, request: RestoreRequest): Promise<void> {
  parseTarget(request);
  requireFileName(request.recoveryConfFilename);
  const { backups } = await readBackupRecords(server.layout);
  const backup = namedBackup({ serverName: server.config.name, backups }, request.backup);
  if (backup === undefined) return;
  const place = planDestination(server.layout, { request, backup, isPitr: parseTarget(request).isPitr });
  await requireUsableDestination(place, server.layout);
}

function requireFileName(name: string | undefined): void {
  if (name === undefined || (/^[^/\p{Cc}]+$/u.test(name) && name !== '.' && name !== '..')) return;
  throw new OperatorError(
    'target-invalid',
    `--recovery-conf-filename takes the name of a file in the destination, not '${name}'`,
  );
}

/** Restoring what is archived already is worth more than stopping because a server cannot be asked for more. */
async function archiveFirst(archivePending: () => Promise<void>, context: Context): Promise<void> {
  try {
    await archivePending();
  } catch (error) {
    if (!(error instanceof OperatorError) || error.code === 'interrupted') throw error;
    context.messages.warning(`WAL that waits to be archived is not restored: ${messageOf(error)}`);
  }
}

async function planRestore(server: Server, request: RestoreRequest, context: Context): Promise<RestorePlan> {
  const { target, isPitr, warnings } = parseTarget(request);
  const { backups } = await readBackupRecords(server.layout);
  const facts = await readArchiveFacts(
    server,
    {
      segmentSizes: new Set(backups.map(({ xlogSegmentSize }) => xlogSegmentSize)),
      countsArrivals: request.fetchesWal || request.takesPartialWal,
      countsPartial: request.fetchesWal || request.takesPartialWal,
    },
    context,
  );
  const { fetchesWal, standbyMode } = request;
  const wish = { target, timeline: request.targetTimeline, standbyMode, fetchesWal };
  const choice = chooseBackup({ serverName: server.config.name, backups, wish }, request.backup, facts);
  const { backup, timelines } = choice;
  const version = versionOf(backup, request, target);
  const { goings } = await readAnnotations(server.layout, [backup.id]);
  if (goings.has(backup.id)) throw new OperatorError('backup-not-usable', `backup ${backup.id} is being deleted`);
  const place = planDestination(server.layout, { request, backup, isPitr });
  await requireUsableDestination(place, server.layout);
  await requireFiles(place, backup);
  const { wals, streamingPartial } = await planWals(server, { request, choice, target }, context);
  const settings = recoverySettings({
    version,
    serverName: server.config.name,
    target,
    isPitr,
    timelineSetting: timelines.setting,
    wal: place.wal,
    request,
  });
  return {
    server,
    request,
    backup,
    choice,
    target,
    isPitr,
    place,
    wals,
    streamingPartial,
    settings,
    warnings: [...warnings, ...choice.warnings],
  };
}

/** A record alone restores nothing: told before the destination is touched. */
async function requireFiles({ source, tablespaces }: DestinationPlan, { id }: Backup): Promise<void> {
  for (const path of [join(source, 'global/pg_control'), ...tablespaces.map((move) => move.source)]) {
    if (await pathExists(path)) continue;
    throw new OperatorError('backup-not-usable', `backup ${id} is not complete: ${path} is missing`, {
      hint: 'restore from another backup',
    });
  }
}

/** PostgreSQL learned `recovery_target_lsn` in 10, and `recovery_target_action` in 9.5. */
function versionOf({ id, version }: Backup, request: RestoreRequest, target: RecoveryTarget): number {
  if (version === null)
    throw new OperatorError('backup-not-usable', `the record of backup ${id} does not say its PostgreSQL version`);
  if (target.kind === 'lsn' && version < 100_000) throw new OperatorError('target-invalid', '--target-lsn needs PostgreSQL 10');
  if (request.action !== undefined && version < 90_500)
    throw new OperatorError('target-invalid', '--target-action needs PostgreSQL 9.5');
  return version;
}

type WalPlan = Pick<RestorePlan, 'wals' | 'streamingPartial'>;
const noWals: WalPlan = { wals: [], streamingPartial: undefined };

async function planWals(
  server: Server,
  { request, choice, target }: Pick<RestorePlan, 'request' | 'choice' | 'target'>,
  { signal }: Context,
): Promise<WalPlan> {
  const { beginWal, endWal, xlogSegmentSize: segmentSize } = choice.backup;
  if (request.fetchesWal || beginWal === null || endWal === null) return noWals;
  const takesPartial = request.takesPartialWal && target.kind !== 'immediate';
  const range: WalRange = { beginWal, endWal, segmentSize, lineage: choice.timelines.lineage, target, takesPartial };
  const wals = selectWals(await readEntriesFrom(server.layout, beginWal, signal), range);
  await requireReadableWals(server, wals);
  const next = takesPartial ? segmentAfter(wals, range) : undefined;
  const path = next === undefined ? undefined : join(server.layout.streaming, `${next}.partial`);
  const isThere = path !== undefined && (await pathExists(path));
  return { wals, streamingPartial: isThere && next !== undefined ? { path, restoredName: next } : undefined };
}

async function restoreWithHooks(plan: RestorePlan, context: Context): Promise<MangledConfiguration> {
  const { server } = plan;
  const variables = await hookVariablesOf(plan);
  await runPreHooksOrFail({ server, event: 'recovery', variables }, context);
  announce(plan, context);
  const mangled = await applyOrExplain(plan, context);
  await runPostHooks({ server, event: 'recovery', variables }, context);
  return mangled;
}

/** Keeps `delete` and retention away from the backup while it is read; two restores of one backup do not stand in each other's way. */
async function protectFromDeletion({ server, backup }: RestorePlan, { log }: Context): Promise<FileLock | undefined> {
  const lock = await tryLockFile(backupLockPath(server.layout, backup.id));
  if (lock === undefined) log.info(`backup ${backup.id} is locked by another command; restoring it nevertheless`);
  return lock;
}

async function hookVariablesOf({ server, request, backup, place, target }: RestorePlan): Promise<HookVariables> {
  const { backups } = await readBackupRecords(server.layout);
  const { previous, next } = neighboursOf(backups, backup);
  const { layout } = server;
  return {
    ...backupHookVariables({
      backup,
      folder: backupFolder(layout, backup.id),
      infoPath: backupInfoPath(layout, backup.id),
      previousId: previous?.id,
      nextId: next?.id,
    }),
    ...recoveryHookVariables({
      destination: place.destination,
      tablespaces: request.tablespaces,
      options: {
        target_tli: request.targetTimeline,
        target_time: request.targetTime,
        target_xid: request.targetXid,
        target_lsn: request.targetLsn,
        target_name: request.targetName,
        target_immediate: target.kind === 'immediate',
        exclusive: request.isExclusive,
        target_action: request.action,
        standby_mode: request.standbyMode,
        recovery_conf_filename: request.recoveryConfFilename,
      },
    }),
  };
}

function announce({ server, backup, place, warnings, choice, target, request }: RestorePlan, { messages }: Context): void {
  messages.info(`Starting local restore for server ${server.config.name} using backup ${backup.id}`);
  messages.info(`Destination directory: ${place.destination}`);
  if (backup.status === 'WAITING_FOR_WALS') {
    messages.warning(
      'IMPORTANT: You have requested a recovery operation for a backup that does not have yet all the WAL files that are required for consistency.',
    );
  }
  for (const warning of warnings) messages.warning(warning);
  const words = [
    ...(target.kind === 'none' ? [] : [describeTarget(target)]),
    ...(request.targetTimeline === undefined ? [] : [`timeline: '${String(choice.timelines.timeline)}'`]),
  ];
  if (words.length > 0) messages.info(`Doing PITR. Recovery target ${words.join(', ')}`);
  for (const { oid, name, location } of place.tablespaces) messages.info(`\t${String(oid)}, ${name}, ${location}`);
}

async function applyOrExplain(plan: RestorePlan, context: Context): Promise<MangledConfiguration> {
  try {
    return await apply(plan, context);
  } catch (error) {
    const { destination } = plan.place;
    context.messages.warning(
      `${destination} is incomplete and cannot be started, because it has no global/pg_control; remove what is in it before you try again`,
    );
    throw error;
  }
}

async function apply(plan: RestorePlan, context: Context): Promise<MangledConfiguration> {
  const { backup, place, request, settings } = plan;
  const { messages } = context;
  messages.info('Copying the base backup.');
  const { kilobytesPerSecond, retryTimes, retrySleepSeconds } = request;
  const totalBytes = backup.size ?? undefined;
  await copyTree({ plan: place, totalBytes, kilobytesPerSecond, retryTimes, retrySleepSeconds }, context);
  await writeFileDurably(join(place.destination, '.barman-recover.info'), formatBackupInfo(backup));
  await setManifestAside(plan);
  await placeWals(plan, context);
  if (settings !== undefined) messages.info('Generating recovery configuration');
  messages.info('Identify dangerous settings in destination directory.');
  const mangled = await mangleConfiguration(
    place.destination,
    backup.version ?? 0,
    settings?.isAppended === true ? settings.fileName : undefined,
  );
  for (const file of mangled.linkedFiles) messages.warning(`${file} is a symbolic link, so its settings were not reviewed`);
  if (settings !== undefined) await writeRecoverySettings(place.destination, settings);
  await syncEverything(plan, context);
  await copyControlFile(place);
  return mangled;
}

async function setManifestAside({ backup, place: { destination } }: RestorePlan): Promise<void> {
  const manifest = join(destination, 'backup_manifest');
  if (await pathExists(manifest)) await rename(manifest, `${manifest}.${backup.id}`);
}

async function placeWals(plan: RestorePlan, context: Context): Promise<void> {
  const { server, backup, place, wals, streamingPartial } = plan;
  const serverFolder = join(place.destination, place.walFolderName);
  await makeWalFolder(serverFolder);
  await makeWalFolder(join(serverFolder, 'archive_status'));
  if (place.wal.kind === 'fetched') return;
  context.messages.info('Copying required WAL segments.');
  const marksArchived = place.wal.kind === 'in-place';
  if (marksArchived) context.messages.info('Generating archive status files');
  const { folder } = place.wal;
  const segmentSize = backup.xlogSegmentSize;
  await copyWals({ server, wals, streamingPartial, folder, segmentSize, marksArchived }, context);
}

/** One call for whole file systems is far cheaper than syncing file after file. */
async function syncEverything({ server, place }: RestorePlan, { signal }: Context): Promise<void> {
  const program = await requireProgram('sync', server.programPath, 'making the restored files survive a power cut');
  const staged = place.wal.kind === 'staged' ? [place.wal.folder] : [];
  const folders = [place.destination, ...place.tablespaces.map(({ location }) => location), ...staged];
  const result = await runProgram([program, '-f', ...folders], { environment: server.environment, signal });
  if (signal.aborted) throw new OperatorError('interrupted', 'interrupted by a signal');
  if (result.exitCode !== 0) throw failureOf(result, 'sync');
}
