import { type Annotations, readAnnotations } from '../../catalog/backups/annotations.ts';
import { type Backup, backupTypeOf } from '../../catalog/backups/backup.ts';
import { readSoundRecords } from '../../catalog/backups/backup-records.ts';
import { subtreeOf } from '../../catalog/backups/plan-deletion.ts';
import { serverLockPath } from '../../catalog/server-layout.ts';
import type { Server } from '../../config/server.ts';
import type { Context } from '../../shared/context.ts';
import { tryLockFile } from '../../shared/file-lock.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { DeletionPass } from './deletion-pass.ts';
import { refuseKept } from './refuse-kept.ts';

/**
 * Deletes a backup and all that is built on it (docs/reference/cli.md section 8.2), children first.
 * @throws OperatorError `backup-refused` when it is kept or redundancy needs it; `lock-busy`
 */
export async function deleteBackup(server: Server, backup: Backup, context: Context): Promise<void> {
  await using lock = await tryLockFile(serverLockPath(server.layout, 'backup'));
  if (lock === undefined) {
    throw new OperatorError('lock-busy', `another backup or delete of server ${server.config.name} is running`, {
      hint: 'wait until it has ended',
    });
  }
  const backups = await readSoundRecords(server.layout);
  const annotations = await readAnnotations(
    server.layout,
    backups.map(({ id }) => id),
  );
  if (!annotations.goings.has(backup.id)) refuseNeeded(server, { backup, backups, annotations }, context);
  const going = subtreeOf(backups, backup);
  if (going.length > 1) {
    const others = going.filter(({ id }) => id !== backup.id).map(({ id }) => id);
    context.messages.warning(`Backup ${backup.id} has incremental backups built on it, which go with it: ${others.join(', ')}`);
  }
  await using pass = await DeletionPass.begin(server, { looksPastStandalone: false }, context);
  try {
    for (const { id } of going) await pass.take(id);
  } finally {
    await pass.finish(); // also when another command holds one of them: what was begun ends
  }
  const [held] = pass.held;
  if (held !== undefined) throw held;
}

interface Need {
  readonly backup: Backup;
  readonly backups: readonly Backup[];
  readonly annotations: Annotations;
}

function refuseNeeded(server: Server, { backup, backups, annotations }: Need, { messages }: Context): void {
  const { name, options } = server.config;
  refuseKept(server, backup.id, annotations.keeps, messages);
  if (backup.status !== 'DONE' || backupTypeOf(backup) === 'incremental') return;
  const done = backups.filter((each) => each.status === 'DONE' && backupTypeOf(each) !== 'incremental').length;
  if (options.minimum_redundancy < done) return;
  throw new OperatorError(
    'backup-refused',
    `Skipping delete of backup ${backup.id} for server ${name} due to minimum redundancy requirements (minimum redundancy = ${String(options.minimum_redundancy)}, current redundancy = ${String(done)})`,
    {
      hint: 'take another backup first, or lower minimum_redundancy',
    },
  );
}
