import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { Server } from '../../config/server.ts';
import { unavailableOptionsInUse } from '../../config/unavailable-options-in-use.ts';
import { storageOf } from '../../encryption/stored-wal.ts';
import { SourceReader } from '../../restore/content/read-source-content.ts';
import { planRestore } from '../../restore/plan/plan-restore.ts';
import { readWaitingWals } from '../../restore/plan/read-archive-facts.ts';
import type { RestoreRequest } from '../../restore/plan/restore-options.ts';
import type { RestorePlan } from '../../restore/plan/restore-plan.ts';
import { configurationFiles } from '../../restore/recovery/mangle-configuration.ts';
import type { Context } from '../../shared/context.ts';
import { messageOf, OperatorError } from '../../shared/operator-error.ts';
import { runProgram } from '../../transport/programs/run-program.ts';
import { type RestoreHosts, restoreHostName } from './open-restore-hosts.ts';

interface Preparation {
  readonly server: Server;
  readonly request: RestoreRequest;
  readonly hosts: RestoreHosts;
  /** Only says what would be done: not even WAL that waits is archived. */
  readonly isDryRun: boolean;
  /** Archives the WAL that waits in the incoming and streaming folders. */
  readonly archivePending: () => Promise<void>;
}

/**
 * Decides everything of a restore (docs/reference/cli.md section 9, docs/reference/engine.md section 12). Nothing is written to the destination, and when there is a reason to refuse, or
 * for a dry run, nothing at all.
 */
export async function prepareRestore(
  { server, request, hosts, isDryRun, archivePending }: Preparation,
  context: Context,
): Promise<RestorePlan> {
  tellUnavailable(server, context);
  const archives = !request.skipsArchiving && server.config.isActive && !server.config.isPassive;
  const names = configurationFiles(request.recoveryConfFilename);
  const reader = new SourceReader(storageOf(server), {
    names,
    keepsSizes: request.isDelta,
    dataFolder: resolve(request.destination),
  });
  const planning = {
    server,
    request,
    restoreHost: hosts.restoreHost,
    hostName: restoreHostName(hosts),
    here: hosts.here,
    backupHost: await fullHostName(server),
    reader,
  };
  const plan = await planRestore({ ...planning, countsWaiting: archives }, context);
  if (isDryRun || plan.refusals.length > 0 || !archives) return plan;
  if ((await readWaitingWals(server.layout)).length === 0) return plan;
  await archiveFirst(archivePending, context);
  return await planRestore({ ...planning, countsWaiting: false }, context);
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
