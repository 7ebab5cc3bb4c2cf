import { readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { markGoing, readAnnotations, readAnnotationsOf, unmarkGoing } from '../../catalog/backups/annotations.ts';
import type { Backup, BackupId } from '../../catalog/backups/backup.ts';
import { backupFilesOf } from '../../catalog/backups/backup-files.ts';
import {
  readBackupRecord,
  readSoundRecords,
  removeBackupRecord,
  writeBackupRecord,
} from '../../catalog/backups/backup-records.ts';
import { neighboursOf } from '../../catalog/backups/find-backup.ts';
import { type DeletionFacts, type WalDeletion, WalDeletionPlanner } from '../../catalog/backups/plan-deletion.ts';
import { removeWals } from '../../catalog/index/wal-removals.ts';
import { backupInfoPath, backupLockPath } from '../../catalog/server-layout.ts';
import type { Server } from '../../config/server.ts';
import { backupHookVariables } from '../../hooks/hook-variables.ts';
import { runPostHooks, runPreHooksOrFail } from '../../hooks/run-hooks.ts';
import type { Context } from '../../shared/context.ts';
import { type FileLock, tryLockFile } from '../../shared/file-lock.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { formatCTime, localTimestamp } from '../../shared/timestamp.ts';
import { formatInterval } from '../../shared/units.ts';
import { settleChildren, settleFamilies } from '../server/settle-children.ts';
import { refuseKept } from './refuse-kept.ts';
import { walDeletionHooks } from './wal-deletion-hooks.ts';

/** Each holds its lock, an open file, until what was taken is finished. */
const mostPerPass = 500;
/** For everything else that is open: the index, the log, pipes of programs and hooks. */
const spareDescriptors = 24;
const goingError = 'its deletion was interrupted: delete it again, or let cron finish';

/** A backup whose files are gone: what is left of it goes when the WAL of the whole pass is gone. */
interface Taken {
  readonly backup: Backup;
  readonly lock: FileLock;
  readonly hook: ReturnType<typeof hookOf>;
  readonly walPlan: WalDeletion;
  readonly startedAt: Date;
  readonly startedMs: number;
}

/**
 * Deletes backups, without looking whether redundancy needs them: the caller decided that. The files of each go immediately; WAL and its
 * lines in the index go once for all of them, and only then their records and marks. Each step can be done again: killed anywhere, the
 * marks are there, from which the next pass goes on with all of them.
 */
export class DeletionPass implements AsyncDisposable {
  readonly #server: Server;
  readonly #context: Context;
  /** As they stand by now: read once, and what is taken is FAILED. */
  #backups: readonly Backup[];
  readonly #planner: WalDeletionPlanner;
  readonly #taken: Taken[] = [];
  readonly #held: OperatorError[] = [];
  readonly #mostPerPass = Math.max(1, Math.min(mostPerPass, descriptorsLeft() - spareDescriptors));

  private constructor(server: Server, facts: DeletionFacts, context: Context) {
    this.#server = server;
    this.#backups = facts.backups;
    this.#planner = new WalDeletionPlanner(facts);
    this.#context = context;
  }

  /** @param looksPastStandalone as {@link DeletionFacts} has it */
  static async begin(
    server: Server,
    { looksPastStandalone }: { readonly looksPastStandalone: boolean },
    context: Context,
  ): Promise<DeletionPass> {
    const backups = await readSoundRecords(server.layout);
    const { keeps } = await readAnnotations(
      server.layout,
      backups.map(({ id }) => id),
    );
    return new DeletionPass(server, { backups, keeps, looksPastStandalone }, context);
  }

  /**
   * Marks a backup and removes its files.
   * @throws OperatorError `lock-busy` when another command works on it; `backup-refused` when it has been kept meanwhile
   */
  async take(id: BackupId): Promise<void> {
    if (this.#taken.length >= this.#mostPerPass) await this.finish();
    const { layout, config } = this.#server;
    const lock = await tryLockFile(backupLockPath(layout, id));
    if (lock === undefined) {
      throw new OperatorError('lock-busy', `another process works on backup ${id} of server ${config.name}`);
    }
    try {
      const taken = await this.#takeLocked(id, lock);
      if (taken === undefined) await lock.release();
      else this.#taken.push(taken);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Deletions that could not be finished because another command works on a parent; the mark is left for the next pass. */
  get held(): readonly OperatorError[] {
    return this.#held;
  }

  /** Removes the WAL of what was taken, then its records. */
  async finish(): Promise<void> {
    try {
      await this.#removeWals(this.#taken.map(({ walPlan }) => walPlan));
      for (const each of this.#taken) await this.#forgetUnlessBusy(each);
    } finally {
      await this[Symbol.asyncDispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { lock } of this.#taken.splice(0)) await lock.release();
  }

  async #forgetUnlessBusy(taken: Taken): Promise<void> {
    try {
      await this.#forget(taken);
    } catch (error) {
      if (!(error instanceof OperatorError) || error.code !== 'lock-busy') throw error;
      this.#held.push(error);
    }
  }

  /** Then its lock is ours, and its record goes. */
  #isTaken(id: BackupId): boolean {
    return this.#taken.some(({ backup }) => backup.id === id);
  }

  /** @returns undefined when only traces of it were left, which are gone then */
  async #takeLocked(id: BackupId, lock: FileLock): Promise<Taken | undefined> {
    const [server, context] = [this.#server, this.#context];
    const { layout } = server;
    const startedAt = context.clock.now();
    const startedMs = context.clock.elapsedMs();
    const backup = await readBackupRecord(layout, id);
    if (backup === undefined) {
      // killed after its record went: the folder is empty by then, anything else is not ours to judge without a record
      const files = backupFilesOf(layout, id);
      if ((await files.members()).length === 0) await files.remove();
      await settleFamilies(
        server,
        this.#backups.filter((each) => !this.#isTaken(each.id)),
        context,
      );
      await unmarkGoing(layout, id);
      return undefined;
    }
    const now = await readAnnotationsOf(layout, id);
    if (now.keeps.has(id) && !now.goings.has(id)) refuseKept(server, id, now.keeps, context.messages);
    const hook = hookOf(server, backup, this.#backups);
    await runPreHooksOrFail(hook, context);
    const walPlan = this.#planner.plan(backup);
    context.messages.info(`Deleting backup ${id} for server ${server.config.name}`);
    context.log.info(
      `WAL of backup ${id}: ${walPlan.kind === 'none' ? `all stays, ${walPlan.reason}` : `what is older than ${walPlan.limit} goes`}`,
    );
    await markGoing(layout, id);
    const failed: Backup = { ...backup, status: 'FAILED', error: goingError };
    if (backup.status !== 'FAILED') await writeBackupRecord(layout, failed);
    this.#planner.drop(this.#backups.find((each) => each.id === id) ?? failed);
    this.#backups = this.#backups.map((each) => (each.id === id ? failed : each));
    await backupFilesOf(layout, id).removeContent();
    return { backup, lock, hook, walPlan, startedAt, startedMs };
  }

  async #removeWals(plans: readonly WalDeletion[]): Promise<void> {
    if (plans.every(({ kind }) => kind === 'none')) return;
    const { messages } = this.#context;
    const removed = await removeWals(this.#server.layout, plans, walDeletionHooks(this.#server, this.#context));
    messages.info('Delete associated WAL segments:');
    for (const { name } of removed) messages.info(`\t${name}`);
  }

  async #forget({ backup, lock, hook, startedAt, startedMs }: Taken): Promise<void> {
    const [server, context, { id }] = [this.#server, this.#context, backup];
    await removeBackupRecord(server.layout, id);
    const { parentBackupId } = backup;
    if (parentBackupId !== null && !this.#isTaken(parentBackupId)) await settleChildren(server, parentBackupId, context);
    await backupFilesOf(server.layout, id).remove();
    await unmarkGoing(server.layout, id);
    const elapsed = formatInterval((context.clock.elapsedMs() - startedMs) / 1000);
    context.messages.info(
      `Deleted backup ${id} (start time: ${formatCTime(localTimestamp(startedAt))}, elapsed time: ${elapsed})`,
    );
    await runPostHooks(hook, context);
    await rm(lock.path, { force: true });
  }
}

/** How many files this process may still open (`ulimit -n`); any number where the kernel does not say. */
function descriptorsLeft(): number {
  try {
    const limit = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return limit === undefined ? Infinity : Number(limit) - readdirSync('/proc/self/fd').length;
  } catch {
    return Infinity;
  }
}

/** Deletions that a crash interrupted, oldest first: ids with a mark. */
export async function interruptedDeletions(server: Server): Promise<BackupId[]> {
  const { goings } = await readAnnotations(server.layout, []);
  return [...goings].toSorted();
}

function hookOf(server: Server, backup: Backup, backups: readonly Backup[]) {
  const { previous, next } = neighboursOf(backups, backup);
  const variables = backupHookVariables({
    backup,
    folder: backupFilesOf(server.layout, backup.id).folder,
    infoPath: backupInfoPath(server.layout, backup.id),
    previousId: previous?.id,
    nextId: next?.id,
  });
  return { server, event: 'delete' as const, variables };
}
