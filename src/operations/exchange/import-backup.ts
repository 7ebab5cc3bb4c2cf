import { access, constants, rm, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { makeBackupStaging } from '../../catalog/backups/backup-files.ts';
import { readBackupRecord } from '../../catalog/backups/backup-records.ts';
import { type Identity, readIdentity } from '../../catalog/identity.ts';
import { backupLockPath, serverLockPath } from '../../catalog/server-layout.ts';
import { walArchiveOf } from '../../catalog/wal/wal-archive.ts';
import { isStoreUrl } from '../../config/option-kind.ts';
import type { Server } from '../../config/server.ts';
import type { Context } from '../../shared/context.ts';
import { lockFile, tryLockFile } from '../../shared/file-lock.ts';
import { OperatorError, systemCodeOf } from '../../shared/operator-error.ts';
import { applyImport, recoverImports } from './apply-import.ts';
import { type ExportName, parseExportName } from './export-name.ts';
import { planImport } from './import-facts.ts';
import { unpackExport } from './unpack-export.ts';

/**
 * Takes an exported backup into the catalog of a server (docs/reference/since-3.17.md section 2.3). It is unpacked beside the other backups, compared with
 * the server, and moved into its place when everything fits; until then the catalog does not change.
 * @throws OperatorError `export-invalid`, `backup-refused`, `file-unreadable` or `lock-busy`; nothing is imported then
 */
export async function importBackup(server: Server, tarball: string, context: Context): Promise<void> {
  const { layout, config } = server;
  const path = resolve(tarball);
  const name = await requireTarball(server, path, tarball);
  const identity = await requireIdentity(server);
  await using backups = await tryLockFile(serverLockPath(layout, 'backup'));
  if (backups === undefined) {
    throw new OperatorError('lock-busy', `another backup, import or delete of server ${config.name} is running`, {
      hint: 'wait until it has ended',
    });
  }
  await using lock = await tryLockFile(backupLockPath(layout, name.backupId));
  if (lock === undefined) {
    throw new OperatorError('lock-busy', `another process works on backup ${name.backupId} of server ${config.name}`);
  }
  await recoverImports(server, context);
  if ((await readBackupRecord(layout, name.backupId)) !== undefined) {
    throw new OperatorError('backup-refused', `server ${config.name} has a backup ${name.backupId} already`, {
      hint: `show-backup ${config.name} ${name.backupId} shows it`,
    });
  }
  context.messages.info(`Importing backup ${name.backupId} into server ${config.name} from ${path}`);
  await walArchiveOf(layout).prepare();
  const staging = await makeBackupStaging(layout);
  try {
    const { tablespaceLinks } = await unpackExport(path, staging, { server, name, context });
    await using archiving = await lockFile(serverLockPath(layout, 'archive-wal'), { signal: context.signal });
    const plan = await planImport(server, { staging, name, identity });
    if (plan.otherVersion !== undefined) {
      context.messages.warning(
        `the backup is of PostgreSQL ${plan.otherVersion}, server ${config.name} was of ${identity.version} at its first backup`,
      );
    }
    await applyImport(server, { staging, plan, tablespaceLinks }, context);
    await archiving.release();
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
  context.messages.info(
    `Backup ${name.backupId} has been imported into server ${config.name}; it is kept (standalone) until keep --release ${config.name} ${name.backupId}`,
  );
}

async function requireTarball({ config }: Server, path: string, typed: string): Promise<ExportName> {
  const { basebackups_directory: base, wals_directory: wals } = config.options;
  if (isStoreUrl(base) || isStoreUrl(wals)) {
    throw new OperatorError('backup-refused', `server ${config.name} lies in an object store: nothing can be imported`);
  }
  const unusable = (reason: string, asBarman?: string): OperatorError =>
    new OperatorError('file-unreadable', `cannot import ${path}: ${reason}`, {
      hint: 'name a file that export-backup wrote',
      asBarman,
    });
  try {
    if (!(await stat(path)).isFile()) throw unusable('it is not a regular file', `Tarball path '${typed}' is not a file`);
    await access(path, constants.R_OK);
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    const code = systemCodeOf(error);
    throw unusable(code ?? String(error), code === 'ENOENT' ? `Tarball file '${typed}' does not exist` : undefined);
  }
  const name = parseExportName(basename(path), config.name);
  if (name !== undefined) return name;
  throw new OperatorError(
    'export-invalid',
    `${basename(path)} is not the name of an exported backup of server ${config.name}`,
    { hint: `backup-export-${config.name}-ID-STAMP-CHECKSUM.tar (or .tar.gz, .tar.bz2, .tar.xz): rename it to that` },
  );
}

async function requireIdentity({ layout, config }: Server): Promise<Identity> {
  const identity = await readIdentity(layout);
  if (identity !== undefined) return identity;
  throw new OperatorError('backup-refused', `server ${config.name} has no identity.json yet, so its cluster is unknown`, {
    hint: 'its first backup writes it',
  });
}
