import { methodNamed } from '../../backup/all-methods.ts';
import { BackupJob, type BackupRequest, settingsOf } from '../../backup/backup-job.ts';
import type { BackupMethod } from '../../backup/backup-method.ts';
import { ancestorsOf, type Backup, type BackupId, idAfter, newBackup, parseBackupId } from '../../catalog/backups/backup.ts';
import { greatestBackupId, readBackupRecords } from '../../catalog/backups/backup-records.ts';
import { planFirstBackupPurge } from '../../catalog/backups/plan-deletion.ts';
import { readKnownCluster, writeIdentityOnce } from '../../catalog/identity.ts';
import { removeWals, walsToRemove } from '../../catalog/index/wal-removals.ts';
import { serverLockPath } from '../../catalog/server-layout.ts';
import { backupMethods } from '../../config/backup-methods.ts';
import { nodesOf } from '../../config/nodes-of-server.ts';
import type { Server } from '../../config/server.ts';
import { unavailableOptionsInUse } from '../../config/unavailable-options-in-use.ts';
import { readBackupFacts } from '../../postgres/backup-facts.ts';
import { requireSession } from '../../postgres/require-session.ts';
import { afterGrace } from '../../shared/after-grace.ts';
import type { Context } from '../../shared/context.ts';
import { tryLockFile } from '../../shared/file-lock.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { formatCompactTime, localTimestamp } from '../../shared/timestamp.ts';
import type { Host } from '../../transport/hosts/host.ts';
import { walDeletionHooks } from '../deletion/wal-deletion-hooks.ts';
import { requireHealthyServer } from '../server/check-server.ts';
import { QuietArchiver } from '../wal/archive-wal.ts';
import { atBackupNode } from './backup-node.ts';
import { checkBackup } from './check-backup.ts';
import { findParent, requireUsableParent } from './choose-parent.ts';
import { reapDeadBackups } from './reap-dead-backups.ts';
import { runBackupJob } from './run-backup-job.ts';

/** For a server to answer what it is asked after we were told to stop; one that hangs keeps nobody longer. */
const goodbyeMs = 10_000;

/**
 * Takes a base backup with the method that is configured (docs/reference/cli.md section 8.1, docs/reference/engine.md section 3). Whatever fails after the record exists
 * leaves it FAILED with the reason.
 * @returns the record as it was before the last look for its WAL
 */
export async function takeBackup(asked: Server, request: BackupRequest, context: Context): Promise<Backup> {
  const server = await atBackupNode(asked, context);
  const method = methodOf(server);
  refuseUnavailable(server, context);
  const parentId = request.incremental === undefined ? undefined : (await findParent(server, request.incremental)).backup.id;
  await using host = method.host(server); // one login for the check and for what the copy asks
  host?.login?.begin(); // and one for rsync, which takes as long as the check
  await requireHealthyServer(asked, { timeoutSeconds: request.checkTimeoutSeconds, host }, context);
  const backup = await copyUnderLock({ server, method, request, parentId, host, context });
  await new QuietArchiver(asked).run(context);
  await lookForWals(server, backup.id, context);
  await purgeBeforeFirstBackup(server, backup, context);
  await warnOfMixedChecksums(server, backup, context);
  return backup;
}

function methodOf({ config: { name, options } }: Server): BackupMethod {
  const method = methodNamed(options.backup_method);
  if (method !== undefined) return method;
  throw new OperatorError(
    'not-available-yet',
    `backup_method = ${options.backup_method} of server '${name}' is not available yet in pgcellar 0.1.0`,
    { hint: 'set backup_method = postgres, which needs a streaming_conninfo with REPLICATION' },
  );
}

function refuseUnavailable(server: Server, context: Context): void {
  for (const { ignoring, message } of unavailableOptionsInUse(server.config, 'backup')) {
    if (ignoring === 'refuse') throw new OperatorError('not-available-yet', message);
    context.messages.warning(message);
  }
}

interface CopyParts {
  readonly server: Server;
  readonly method: BackupMethod;
  readonly request: BackupRequest;
  readonly parentId: BackupId | undefined;
  readonly host: Host | undefined;
  readonly context: Context;
}

async function copyUnderLock({ server, method, request, parentId, host, context }: CopyParts): Promise<Backup> {
  await using lock = await tryLockFile(serverLockPath(server.layout, 'backup'));
  if (lock === undefined) {
    throw new OperatorError('lock-busy', `Another backup process is running on server ${server.config.name}`, {
      hint: 'wait until it ends: list-backups shows it as STARTED',
      asBarman: 'Another backup process is running',
    });
  }
  await reapDeadBackups(server, context);
  const { conninfo } = server.config.options;
  if (conninfo === undefined) throw new OperatorError('configuration-invalid', `server ${server.config.name} has no conninfo`);
  const nodes = nodesOf(server);
  await using connection = await nodes.queries(afterGrace(context.signal, goodbyeMs));
  await requireSession(connection, async (signal) => await nodes.queries(signal));
  if (backupMethods[method.name].streams) await nodes.requireOneServer(connection, context.signal);
  const facts = await readBackupFacts(connection);
  if (facts.systemid !== undefined) {
    await refuseOtherCluster(server, facts.systemid);
    await writeIdentityOnce(server.layout, { systemid: facts.systemid, version: String(Math.floor(facts.version / 10_000)) });
  }
  const chosen = parentId === undefined ? undefined : await findParent(server, parentId);
  if (chosen !== undefined) await requireUsableParent(server, chosen, { connection, facts });
  const backup = newBackup({
    id: newBackupId(server, context),
    serverName: server.config.name,
    mode: method.mode(server.config),
    backupName: request.name ?? null,
    systemid: facts.systemid ?? null,
    parentBackupId: parentId ?? null,
  });
  const ancestors = chosen === undefined ? [] : [chosen.backup, ...ancestorsOf(chosen.backups, chosen.backup)];
  const settings = settingsOf(request, server.config);
  await using job = new BackupJob({ server, settings, context, connection, nodes, facts, host, ancestors }, backup);
  return await runBackupJob(job, method);
}

/** The content of the catalog shows its cluster, also when `identity.json` was removed. */
async function refuseOtherCluster(server: Server, systemid: string): Promise<void> {
  const known = await readKnownCluster(server);
  if (known === undefined || known.systemid === systemid) return;
  throw new OperatorError(
    'backup-refused',
    `server ${server.config.name} belongs to another cluster (${systemid}) than the catalog (${known.systemid}, according to ${known.source})`,
    { hint: 'a new cluster needs a server section and a backup_directory of its own' },
  );
}

/** Files without checksums come into the cluster that a chain is combined to, and PostgreSQL then takes them for damaged. */
async function warnOfMixedChecksums(server: Server, backup: Backup, { messages }: Context): Promise<void> {
  if (backup.parentBackupId === null || backup.dataChecksums !== 'on') return;
  const ancestors = ancestorsOf((await readBackupRecords(server.layout)).backups, backup);
  const without = ancestors.filter(({ dataChecksums }) => dataChecksums === 'off').map(({ id }) => id);
  if (without.length === 0) return;
  messages.warning(
    `incremental backup ${backup.id} was taken with data_checksums = on, and ${without.join(', ')}, which it is built on, with data_checksums = off: a cluster that is restored from it can have pages without checksums. Consider taking a full backup`,
  );
}

async function lookForWals(server: Server, id: BackupId, context: Context): Promise<void> {
  const checked = await checkBackup(server, id, context);
  if (checked?.status !== 'WAITING_FOR_WALS') return;
  context.messages.warning([
    'IMPORTANT: this backup is classified as WAITING_FOR_WALS, meaning that pgcellar has not received yet all the required WAL files for the backup consistency.',
    'This is a common behaviour in concurrent backup scenarios, and pgcellar automatically set the backup as DONE once all the required WAL files have been archived.',
    "Hint: execute the backup command with '--wait'",
  ]);
}

/**
 * Local time to the second. An id that is not greater than all others (two backups within a second, the hour that daylight saving time
 * repeats, a clock that was set back, another time zone) gives way to the second after the greatest one: other programs take the order of
 * ids for age.
 */
function newBackupId({ layout }: Server, { clock }: Pick<Context, 'clock'>): BackupId {
  const id = parseBackupId(formatCompactTime(localTimestamp(clock.now())));
  if (id === undefined) throw new OperatorError('backup-failed', 'the clock of this host shows no usable date');
  const greatest = greatestBackupId(layout);
  if (greatest === undefined || id > greatest) return id;
  const next = idAfter(greatest);
  if (next !== undefined) return next;
  throw new OperatorError('backup-failed', `no id is left after that of backup ${greatest}`, {
    hint: 'move files of that name away from the folders meta and base',
  });
}

/** Removes WAL that lies before the first backup of a server: nothing can use it (docs/reference/catalog.md section 16.5). */
async function purgeBeforeFirstBackup(server: Server, backup: Backup, context: Context): Promise<void> {
  if (server.config.options.worm_mode) return;
  const { backups, broken } = await readBackupRecords(server.layout);
  if (broken.length > 0) {
    context.log.warning(`no WAL before backup ${backup.id} is removed: ${broken[0]?.reason.message ?? ''}`);
    return;
  }
  const plan = planFirstBackupPurge(backups, backup);
  if (plan.kind === 'none' || (await walsToRemove(server.layout, plan)).length === 0) return;
  context.messages.info(`This is the first backup for server ${server.config.name}`);
  context.messages.info('WAL segments preceding the current backup have been found:');
  const removed = await removeWals(server.layout, [plan], walDeletionHooks(server, context));
  for (const { name } of removed) context.messages.info(`\t${name} from server ${server.config.name} has been removed`);
}
