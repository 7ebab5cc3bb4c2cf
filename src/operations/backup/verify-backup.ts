import { type Backup, isCopyDone } from '../../catalog/backups/backup.ts';
import { backupFilesOf } from '../../catalog/backups/backup-files.ts';
import type { Server } from '../../config/server.ts';
import { type ClientProgram, findClientProgram } from '../../postgres/client-programs.ts';
import { verifybackupArguments } from '../../postgres/verifybackup-arguments.ts';
import type { Context } from '../../shared/context.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { quoteWords } from '../../shared/shell-words.ts';
import { throwIfInterrupted } from '../../shared/throw-if-interrupted.ts';
import { runProgram } from '../../transport/programs/run-program.ts';

/** The first release whose `pg_verifybackup` reads tar files. */
const tarSince = 180_000;
/** The first release whose manifest names its cluster, which `pg_verifybackup` then compares with the control file. */
const clusterInManifestSince = 170_000;

interface VerifyRequest {
  readonly backup: Backup;
  /** As it was asked for: id, shortcut or name. */
  readonly asked: string;
}

/**
 * Compares the files of a backup with its manifest (docs/reference/cli.md section 8.4, docs/reference/since-3.17.md section 3). What does not fit is told as errors, in
 * the words of `pg_verifybackup`.
 * @throws OperatorError `backup-refused` for an encrypted backup; `program-missing`
 */
export async function verifyBackup(server: Server, { backup, asked }: VerifyRequest, context: Context): Promise<void> {
  const { messages } = context;
  messages.info(`Verifying backup '${asked}' on server ['${server.config.name}']`);
  if (backup.encryption !== null) {
    throw new OperatorError('backup-refused', `backup ${backup.id} is encrypted: it cannot be verified as it is stored`, {
      hint: 'restore it, which decrypts it, and run pg_verifybackup on the result',
    });
  }
  const isTar = backup.compression !== null;
  const program = await findVerifier(server, backup, isTar);
  const withoutControlFile = readsNoControlFile(program, backup);
  if (withoutControlFile) {
    messages.warning(
      `global/pg_control of backup ${backup.id} is not verified: pg_verifybackup ${program.versionText} does not read that of PostgreSQL ${String(majorOf(backup.version))}`,
    );
  }
  messages.info('Calling pg_verifybackup');
  const files = backupFilesOf(server.layout, backup.id);
  const { dataFolder } = files;
  const argv = verifybackupArguments({ program: program.path, dataFolder, isTar, withoutControlFile });
  context.log.debug(`running ${quoteWords(argv)}`);
  const result = await runProgram(argv, {
    environment: server.environment,
    signal: context.signal,
  });
  throwIfInterrupted(context.signal);
  if (result.exitCode === 0) {
    messages.info(result.stdout.trimEnd());
    return;
  }
  messages.error(`verify backup failure on directory '${dataFolder}'`);
  if (await files.hasManifest()) messages.error(result.stderr.trimEnd());
  else throw withoutManifest(server, backup, result.stderr.trimEnd());
}

/** The format of the control file changes with the release; other releases take it for damaged. */
function readsNoControlFile({ version: verifier }: ClientProgram, { version }: Backup): boolean {
  return version !== null && version >= clusterInManifestSince && majorOf(version) !== majorOf(verifier);
}

function majorOf(version: number | null): number {
  return Math.floor((version ?? 0) / 10_000);
}

function withoutManifest({ config }: Server, backup: Backup, said: string): OperatorError {
  const { id, status } = backup;
  if (!isCopyDone(backup))
    return new OperatorError('backup-refused', said, { hint: `backup ${id} has status ${status}: its files are not complete` });
  return new OperatorError('backup-refused', said, {
    hint: `pgcellar generate-manifest ${config.name} ${id} makes a manifest of the files as they are now; autogenerate_manifest = on makes one with each backup by rsync`,
  });
}

async function findVerifier(server: Server, { version }: Backup, isTar: boolean): Promise<ClientProgram> {
  const { programPath: path, environment } = server;
  const serverVersion = Math.max(version ?? 0, isTar ? tarSince : 0);
  const found = await findClientProgram('pg_verifybackup', { path, environment, serverVersion });
  if (found === undefined) {
    throw new OperatorError('program-missing', 'pg_verifybackup not found', {
      hint: 'install the package postgresql-client, or set path_prefix to its folder',
    });
  }
  if (!isTar || found.version >= tarSince) return found;
  throw new OperatorError(
    'program-missing',
    `a backup in tar format needs pg_verifybackup 18 or newer: ${found.path} is version ${found.versionText}`,
    { hint: 'install postgresql-client-18, or set path_prefix to its folder' },
  );
}
