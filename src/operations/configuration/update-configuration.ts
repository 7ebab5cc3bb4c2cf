import { join } from 'node:path';
import { queued, readChangeQueue, writeChangeQueue } from '../../config/change-queue.ts';
import type { ConfigurationFiles } from '../../config/load-configuration.ts';
import { planChanges } from '../../config/plan-changes.ts';
import type { Configuration } from '../../config/server-config.ts';
import type { Context } from '../../shared/context.ts';
import { type FileLock, tryLockFile } from '../../shared/file-lock.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { applyChanges } from './apply-changes.ts';

interface Surroundings {
  readonly configuration: Configuration;
  /** Reads where options stand; asked under the lock, when something is to be written. */
  readonly readFiles: () => ConfigurationFiles;
}

/**
 * Writes changes into the configuration files: `config-update` (docs/reference/cli.md section 11.4). They go through the queue, so that a crash at any
 * moment loses none: the next run, or `cron`, goes on.
 * @returns names of the sections that were changed
 * @throws OperatorError `configuration-invalid` when one of them cannot be; `lock-busy`
 */
export async function updateConfiguration(
  json: string,
  { configuration, readFiles }: Surroundings,
  context: Context,
): Promise<ReadonlySet<string>> {
  const { global, servers, models } = configuration;
  await using lock = await takeUpdateLock(global.barman_lock_directory);
  if (lock === undefined) {
    throw new OperatorError('lock-busy', 'another config-update or cron is changing the configuration', {
      hint: 'run it again in a moment',
    });
  }
  const files = readFiles();
  const sets = tellingLines(context, () =>
    planChanges(json, {
      files,
      serverNames: servers.map(({ name }) => name),
      modelNames: models.map(({ name }) => name),
    }),
  );
  const waiting = await readChangeQueue(global.config_changes_queue);
  if (waiting.isMalformed) {
    context.messages.warning(`Malformed or empty configuration change queue: ${global.config_changes_queue}`);
  }
  await writeChangeQueue(global.config_changes_queue, [...waiting.sets, ...sets.map(queued)]);
  return await applyChanges(global.config_changes_queue, files, context);
}

/** Of several lines that Barman says, each is an error of its own. */
function tellingLines<T>({ messages }: Context, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof OperatorError) || !Array.isArray(error.asBarman)) throw error;
    const lines: readonly string[] = error.asBarman;
    for (const line of lines.slice(0, -1)) messages.error(line, { isOnlyBarmans: true, logged: false });
    const { code, lines: message, hint = '' } = error;
    throw new OperatorError(code, message, { hint, cause: error, asBarman: lines.at(-1) });
  }
}

/**
 * Writes what waits in the queue: the first step of `cron`. Without anything in it, nothing is touched.
 * @returns names of the sections that were changed
 */
export async function applyQueuedChanges(
  { configuration: { global }, readFiles }: Surroundings,
  context: Context,
): Promise<ReadonlySet<string>> {
  const { sets, isMalformed } = await readChangeQueue(global.config_changes_queue);
  if (sets.length === 0 && !isMalformed) return new Set();
  await using lock = await takeUpdateLock(global.barman_lock_directory);
  if (lock === undefined) {
    context.messages.warning('another config-update or cron is changing the configuration: the queue is left to it');
    return new Set();
  }
  return await applyChanges(global.config_changes_queue, readFiles(), context);
}

async function takeUpdateLock(folder: string): Promise<FileLock | undefined> {
  return await tryLockFile(join(folder, '.config-update.lock'));
}
