import { hostname } from 'node:os';
import { join } from 'node:path';
import { formatBackupInfo } from '../catalog/backup-info.ts';
import { readBackupRecords } from '../catalog/backup-records.ts';
import { neighboursOf } from '../catalog/find-backup.ts';
import { backupFolder, backupInfoPath, backupLockPath } from '../catalog/server-layout.ts';
import type { Server } from '../config/server.ts';
import { unavailableOptionsInUse } from '../config/unavailable-options.ts';
import { storageOf } from '../encryption/stored-wal.ts';
import { backupHookVariables, recoveryHookVariables } from '../hooks/hook-variables.ts';
import { type HookVariables, runPostHooks, runPreHooksOrFail } from '../hooks/run-hooks.ts';
import { copyWals, makeWalFolder } from '../restore/copy-wals.ts';
import { fillDestination } from '../restore/fill-destination.ts';
import { localPlace } from '../restore/local-place.ts';
import {
  configurationFiles,
  type MangledConfiguration,
  mangleConfiguration,
  writeRecoverySettings,
} from '../restore/mangle-configuration.ts';
import type { Place } from '../restore/place.ts';
import { planRestore } from '../restore/plan-restore.ts';
import { readWaitingWals } from '../restore/read-archive-facts.ts';
import { SourceReader } from '../restore/read-source-content.ts';
import { describeTarget } from '../restore/recovery-target.ts';
import { remotePlace } from '../restore/remote-place.ts';
import type { RestoreRequest } from '../restore/restore-options.ts';
import type { PlannedRestore, RestorePlan } from '../restore/restore-plan.ts';
import { recordRates } from '../restore/restore-rates.ts';
import { sendWals } from '../restore/send-wals.ts';
import { StageClock } from '../restore/stage-clock.ts';
import { makeStaging } from '../restore/staging.ts';
import { syncWritten } from '../restore/sync-written.ts';
import { foldersWrittenTo, markFinished, markUnfinished } from '../restore/unfinished-restore.ts';
import type { Context } from '../shared/context.ts';
import { type FileLock, tryLockFile } from '../shared/file-lock.ts';
import { messageOf, OperatorError } from '../shared/operator-error.ts';
import { localTimestamp } from '../shared/timestamp.ts';
import type { Host } from '../transport/host.ts';
import { remoteHost } from '../transport/remote-host.ts';
import { runProgram } from '../transport/run-program.ts';
import type { RestoreReport } from './reports/restore-reports.ts';

/** Where a restore goes; disposing ends the connection to another host. */
interface Site extends AsyncDisposable {
  readonly place: Place;
  /** This host, where the catalog is. */
  readonly here: Place;
  /** Undefined for this host. */
  readonly host: Host | undefined;
}

/** The host that a request names; another one is reached when it is first asked something. */
export function openSite(server: Server, { remoteSshCommand: sshCommand }: RestoreRequest, { signal }: Context): Site {
  const { programPath, environment } = server;
  const here = localPlace({ programPath, environment, signal });
  if (sshCommand === undefined) {
    return { place: here, here, host: undefined, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const host = remoteHost({ sshCommand, environment });
  return { place: remotePlace(host, signal), here, host, [Symbol.asyncDispose]: async () => await host[Symbol.asyncDispose]() };
}

interface Preparation {
  readonly server: Server;
  readonly request: RestoreRequest;
  readonly site: Site;
  /** Only says what would be done: not even WAL that waits is archived. */
  readonly isDryRun: boolean;
  /** Archives the WAL that waits in the incoming and streaming folders. */
  readonly archivePending: () => Promise<void>;
}

/**
 * Decides everything of a restore (cli.md section 9, engine.md section 12). Nothing is written to the destination, and when there is a reason to refuse, or
 * for a dry run, nothing at all.
 */
export async function prepareRestore(
  { server, request, site, isDryRun, archivePending }: Preparation,
  context: Context,
): Promise<RestorePlan> {
  tellUnavailable(server, context);
  const archives = !request.skipsArchiving && server.config.isActive && !server.config.isPassive;
  const names = configurationFiles(request.recoveryConfFilename);
  const reader = new SourceReader(storageOf(server), { names, keepsSizes: request.isDelta });
  const planning = {
    server,
    request,
    place: site.place,
    placeName: nameOf(site),
    here: site.here,
    backupHost: await fullHostName(server),
    reader,
  };
  const plan = await planRestore({ ...planning, countsWaiting: archives }, context);
  if (isDryRun || plan.refusals.length > 0 || !archives) return plan;
  if ((await readWaitingWals(server.layout)).length === 0) return plan;
  await archiveFirst(archivePending, context);
  return await planRestore({ ...planning, countsWaiting: false }, context);
}

/**
 * Does what a plan says. The control file comes last, so what a crash leaves cannot be started.
 * @throws OperatorError with one of the codes of the rooms below; the first reason against it when the plan has any
 */
export async function executeRestore(
  { server, plan, site }: { readonly server: Server; readonly plan: RestorePlan; readonly site: Site },
  context: Context,
): Promise<RestoreReport> {
  const [refusal] = plan.refusals;
  if (refusal !== undefined) throw refusal;
  if (plan.planned === undefined) throw new Error('a plan without reasons against it has a backup');
  const run: Run = { server, plan, planned: plan.planned, site, place: site.place, stages: new StageClock(context) };
  const startedAt = localTimestamp(context.clock.now());
  const startedMs = context.clock.elapsedMs();
  const lock = await protectFromDeletion(run, context);
  const mangled = await restoreWithHooks(run, context).finally(() => lock?.release());
  await rememberRates(run, context);
  return {
    changes: mangled.changes,
    warnings: mangled.warnings,
    missingFiles: mangled.missingFiles,
    fetchesWal: plan.request.fetchesWal,
    stages: run.stages.outcomes,
    startedAt,
    elapsedSeconds: (context.clock.elapsedMs() - startedMs) / 1000,
  };
}

/** One restore under way. */
interface Run {
  readonly server: Server;
  readonly plan: RestorePlan;
  readonly planned: PlannedRestore;
  readonly site: Site;
  readonly place: Place;
  readonly stages: StageClock;
}

function nameOf({ host }: Site): string {
  return host?.label ?? 'local';
}

/** As other hosts know this one, for a `restore_command` there. */
async function fullHostName({ environment }: Server): Promise<string> {
  const { exitCode, stdout } = await runProgram(['hostname', '-f'], { environment });
  return exitCode === 0 && stdout.trim() !== '' ? stdout.trim() : hostname();
}

function tellUnavailable(server: Server, { messages }: Pick<Context, 'messages'>): void {
  for (const { ignoring, message } of unavailableOptionsInUse(server.config, 'restore')) {
    // a passphrase command that is configured only matters to what is encrypted, and that is refused by itself
    if (ignoring === 'warn') messages.warning(message);
  }
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

async function rememberRates({ server, stages, site }: Run, { log }: Context): Promise<void> {
  try {
    await recordRates(server.layout, nameOf(site), stages.outcomes);
  } catch (error) {
    log.debug(`the rates of this restore were not kept: ${messageOf(error)}`); // only estimates depend on them
  }
}

async function restoreWithHooks(run: Run, context: Context): Promise<MangledConfiguration> {
  const { server } = run;
  const variables = await hookVariablesOf(run);
  await runPreHooksOrFail({ server, event: 'recovery', variables }, context);
  announce(run, context);
  const mangled = await applyOrExplain(run, context);
  await runPostHooks({ server, event: 'recovery', variables }, context);
  return mangled;
}

/** Keeps `delete` and retention away from the backup while it is read; two restores of one backup do not stand in each other's way. */
async function protectFromDeletion({ server, planned }: Run, { log }: Context): Promise<FileLock | undefined> {
  const { id } = planned.backup;
  const lock = await tryLockFile(backupLockPath(server.layout, id));
  if (lock === undefined) log.info(`backup ${id} is locked by another command; restoring it nevertheless`);
  return lock;
}

async function hookVariablesOf({ server, plan, planned: { backup, places } }: Run): Promise<HookVariables> {
  const { request, target } = plan;
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
      destination: places.destination,
      remoteCommand: request.remoteSshCommand,
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

function announce({ server, plan, planned }: Run, { messages }: Context): void {
  const { backup, places, timelines } = planned;
  const { target, request, warnings } = plan;
  const { remoteSshCommand } = request;
  const where = remoteSshCommand === undefined ? 'local' : 'remote';
  messages.info(`Starting ${where} restore for server ${server.config.name} using backup ${backup.id}`);
  messages.info(`Destination directory: ${places.destination}`);
  if (remoteSshCommand !== undefined) messages.info(`Remote command: ${remoteSshCommand}`);
  if (backup.status === 'WAITING_FOR_WALS') {
    messages.warning(
      'IMPORTANT: You have requested a recovery operation for a backup that does not have yet all the WAL files that are required for consistency.',
    );
  }
  for (const warning of warnings) messages.warning(warning);
  const words = [
    ...(target.kind === 'none' ? [] : [describeTarget(target)]),
    ...(request.targetTimeline === undefined ? [] : [`timeline: '${String(timelines.timeline)}'`]),
  ];
  if (words.length > 0) messages.info(`Doing PITR. Recovery target ${words.join(', ')}`);
  for (const { oid, name, location } of places.tablespaces) messages.info(`\t${String(oid)}, ${name}, ${location}`);
}

async function applyOrExplain(run: Run, context: Context): Promise<MangledConfiguration> {
  try {
    return await apply(run, context);
  } catch (error) {
    const { destination } = run.planned.places;
    const left = run.plan.request.isDelta
      ? 'the same command goes on'
      : `before you try again, remove what is in ${foldersWrittenTo(run.planned.places).join(' and ')}`;
    context.messages.warning(
      `${destination} is incomplete and cannot be started, because it has no global/pg_control; ${left}`,
    );
    throw error;
  }
}

async function apply(run: Run, context: Context): Promise<MangledConfiguration> {
  const { server, plan, planned, place, stages } = run;
  const { backup, places, settings, trees } = planned;
  const { messages } = context;
  if (!plan.request.isDelta) await markUnfinished(place, places);
  messages.info('Copying the base backup.');
  const totalBytes = trees.reduce((sum, { bytes }) => sum + bytes, 0);
  const { programPath, environment } = server;
  const building = { ...plan.request, ...planned, totalBytes, storage: storageOf(server), programPath, environment };
  await using filled = await fillDestination({ ...building, place, request: plan.request }, stages, context);
  await place.writeFile(join(places.destination, '.barman-recover.info'), Buffer.from(formatBackupInfo(backup)), 0o644);
  await setManifestAside(run);
  await placeWals(run, context);
  if (settings !== undefined) messages.info('Generating recovery configuration');
  messages.info('Identify dangerous settings in destination directory.');
  const mangled = await mangleConfiguration(place, {
    dataFolder: places.destination,
    version: backup.version ?? 0,
    recoveryFile: settings?.isAppended === true ? settings.fileName : undefined,
  });
  for (const file of mangled.linkedFiles) messages.warning(`${file} is a symbolic link, so its settings were not reviewed`);
  if (settings !== undefined) await writeRecoverySettings(place, places.destination, settings);
  await stages.run('sync', totalBytes + planned.wal.bytes, () => syncWritten(place, writtenFolders(planned), context));
  await filled.finish();
  if (!plan.request.isDelta) await markFinished(place, places.destination);
  return mangled;
}

async function setManifestAside({ place, planned: { backup, places } }: Run): Promise<void> {
  const manifest = join(places.destination, 'backup_manifest');
  if ((await place.find(manifest)) !== undefined) await place.rename(manifest, `${manifest}.${backup.id}`);
}

async function placeWals(run: Run, context: Context): Promise<void> {
  const { server, plan, planned, place, site, stages } = run;
  const { backup, places, wal } = planned;
  const serverFolder = join(places.destination, places.walFolderName);
  await makeWalFolder(place, serverFolder);
  await makeWalFolder(place, join(serverFolder, 'archive_status'));
  if (places.wal.kind === 'fetched') return;
  context.messages.info('Copying required WAL segments.');
  const marksArchived = places.wal.kind === 'in-place';
  if (marksArchived) context.messages.info('Generating archive status files');
  const { folder } = places.wal;
  const segmentSize = backup.xlogSegmentSize;
  await makeWalFolder(place, folder);
  if (plan.request.isDelta && places.wal.kind === 'staged') await emptyFolder(place, folder);
  const { host } = site;
  await stages.run('wal', wal.bytes, async () => {
    const { copies: wals, streamingPartial } = wal;
    if (host === undefined) await copyWals({ server, wals, streamingPartial, folder, segmentSize, marksArchived }, context);
    else await sendWalsTo(host, { run, folder, segmentSize, marksArchived }, context);
  });
}

interface WalSending {
  readonly run: Run;
  readonly folder: string;
  readonly segmentSize: number;
  readonly marksArchived: boolean;
}

async function sendWalsTo(host: Host, { run, ...where }: WalSending, context: Context): Promise<void> {
  const { server, plan, planned } = run;
  const { request } = plan;
  await using spool = await makeStaging(request.stagingPath);
  const { remoteSshCommand: sshCommand = '', usesNetworkCompression: compresses } = request;
  await sendWals({ ...request, ...where, server, wal: planned.wal, host, sshCommand, spool: spool.path, compresses }, context);
}

/** What an earlier restore of the same cluster left there. */
async function emptyFolder(place: Place, folder: string): Promise<void> {
  for (const name of (await place.namesIn(folder)) ?? []) await place.remove(join(folder, name));
}

function writtenFolders({ places }: PlannedRestore): readonly string[] {
  const staged = places.wal.kind === 'staged' ? [places.wal.folder] : [];
  return [places.destination, ...places.tablespaces.map(({ location }) => location), ...staged];
}
