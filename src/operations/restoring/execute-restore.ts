import { backupLockPath } from '../../catalog/server-layout.ts';
import type { Server } from '../../config/server.ts';
import { runPostHooks, runPreHooksOrFail } from '../../hooks/run-hooks.ts';
import type { RestorePlan } from '../../restore/plan/restore-plan.ts';
import { recordRates } from '../../restore/plan/restore-rates.ts';
import { StageClock } from '../../restore/plan/stage-clock.ts';
import type { MangledConfiguration } from '../../restore/recovery/mangle-configuration.ts';
import type { Context } from '../../shared/context.ts';
import { type FileLock, tryLockFile } from '../../shared/file-lock.ts';
import { messageOf } from '../../shared/operator-error.ts';
import { localTimestamp } from '../../shared/timestamp.ts';
import type { RestoreReport } from '../reports/restore-reports.ts';
import { announceRestore } from './announce-restore.ts';
import { applyRestore } from './apply-restore.ts';
import { type RestoreHosts, restoreHostName } from './open-restore-hosts.ts';
import { restoreHookVariables } from './restore-hook-variables.ts';
import type { RestoreRun } from './restore-run.ts';

/**
 * Does what a plan says. The control file comes last, so what a crash leaves cannot be started.
 * @throws OperatorError with one of the codes of the rooms below; the first reason against it when the plan has any
 */
export async function executeRestore(
  { server, plan, hosts }: { readonly server: Server; readonly plan: RestorePlan; readonly hosts: RestoreHosts },
  context: Context,
): Promise<RestoreReport> {
  const [refusal] = plan.refusals;
  if (refusal !== undefined) throw refusal;
  if (plan.planned === undefined) throw new Error('a plan without reasons against it has a backup');
  const run: RestoreRun = {
    server,
    plan,
    planned: plan.planned,
    hosts,
    restoreHost: hosts.restoreHost,
    stages: new StageClock(context),
  };
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

async function rememberRates({ server, stages, hosts }: RestoreRun, { log }: Context): Promise<void> {
  try {
    await recordRates(server.layout, restoreHostName(hosts), stages.outcomes);
  } catch (error) {
    log.debug(`the rates of this restore were not kept: ${messageOf(error)}`); // only estimates depend on them
  }
}

async function restoreWithHooks(run: RestoreRun, context: Context): Promise<MangledConfiguration> {
  const { server } = run;
  const variables = await restoreHookVariables(run);
  await runPreHooksOrFail({ server, event: 'recovery', variables }, context);
  announceRestore(run, context);
  const mangled = await applyRestore(run, context);
  await runPostHooks({ server, event: 'recovery', variables }, context);
  return mangled;
}

/** Keeps `delete` and retention away from the backup while it is read; two restores of one backup do not stand in each other's way. */
async function protectFromDeletion({ server, planned }: RestoreRun, { log }: Context): Promise<FileLock | undefined> {
  const { id } = planned.backup;
  const lock = await tryLockFile(backupLockPath(server.layout, id));
  if (lock === undefined) log.info(`backup ${id} is locked by another command; restoring it nevertheless`);
  return lock;
}
