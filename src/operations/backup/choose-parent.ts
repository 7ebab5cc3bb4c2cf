import { judgeParent, type ParentFacts } from '../../backup/judge-parent.ts';
import { readAnnotations } from '../../catalog/backups/annotations.ts';
import type { Backup } from '../../catalog/backups/backup.ts';
import { backupFilesOf } from '../../catalog/backups/backup-files.ts';
import { backupMethodNames, backupMethods, methodOf } from '../../config/backup-methods.ts';
import type { Server } from '../../config/server.ts';
import type { BackupFacts } from '../../postgres/backup-facts.ts';
import type { Connection } from '../../postgres/connect.ts';
import { readSummaryGap } from '../../postgres/read-summary-gap.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { type ChosenBackup, findBackupOrFail } from './find-backup-or-fail.ts';

const withIncrementals = backupMethodNames.filter((name) => backupMethods[name].takesIncrementals);

/**
 * The backup that `--incremental` names, before anything is asked or checked.
 * @throws OperatorError `unknown-backup`; `backup-refused` when the method knows no incremental backups
 */
export async function findParent(server: Server, wanted: string): Promise<ChosenBackup> {
  const { name, options } = server.config;
  if (!methodOf(options).takesIncrementals) {
    throw new OperatorError(
      'backup-refused',
      `backup --incremental needs backup_method = ${withIncrementals.join(' or ')}: that of server '${name}' is ${options.backup_method}`,
      { hint: 'use --reuse-backup link for a backup that shares unchanged files with the one before it' },
    );
  }
  return await findBackupOrFail(server, wanted);
}

interface ServerKnown {
  readonly connection: Connection;
  readonly facts: BackupFacts;
}

/** @throws OperatorError `backup-refused` when nothing can be built on it; see {@link judgeParent} */
export async function requireUsableParent(server: Server, chosen: ChosenBackup, known: ServerKnown): Promise<void> {
  const refusal = judgeParent(await readParentFacts(server, chosen, known));
  if (refusal === undefined) return;
  throw new OperatorError('backup-refused', `Unable to take an incremental backup: ${refusal.reason}`, { hint: refusal.hint });
}

async function readParentFacts(server: Server, chosen: ChosenBackup, { connection, facts }: ServerKnown): Promise<ParentFacts> {
  const { chain, missingAncestor } = chainOf(chosen);
  const { goings } = await readAnnotations(server.layout, []);
  const withoutManifest = new Set<string>();
  for (const { id } of chain) {
    if (!(await backupFilesOf(server.layout, id).hasManifest())) withoutManifest.add(id);
  }
  const { beginXlog } = chosen.backup;
  const canAsk = facts.version >= 170_000 && facts.summarizeWal === 'on' && beginXlog !== null;
  return {
    serverName: server.config.name,
    serverVersion: facts.version,
    summarizeWal: facts.summarizeWal,
    systemid: facts.systemid,
    chain,
    missingAncestor,
    going: goings,
    withoutManifest,
    gap: canAsk ? await readSummaryGap(connection, beginXlog) : undefined,
  };
}

/** From the parent to the full backup at the root, as far as the records go. */
function chainOf({ backup, backups }: ChosenBackup): Pick<ParentFacts, 'chain' | 'missingAncestor'> {
  const chain: [Backup, ...Backup[]] = [backup];
  for (let wanted = backup.parentBackupId; wanted !== null; ) {
    const ancestor = backups.find(({ id }) => id === wanted);
    if (ancestor === undefined || chain.includes(ancestor)) return { chain, missingAncestor: wanted };
    chain.push(ancestor);
    wanted = ancestor.parentBackupId;
  }
  return { chain, missingAncestor: undefined };
}
