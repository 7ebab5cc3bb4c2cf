import type { BackupId, Tablespace } from '../catalog/backups/backup.ts';
import { backupFilesOf } from '../catalog/backups/backup-files.ts';
import type { Server } from '../config/server.ts';
import { basebackupArguments, rateProblems } from '../postgres/basebackup-arguments.ts';
import { type BackupCompression, compressionProblems } from '../postgres/basebackup-compression.ts';
import { type ClientProgram, requireClientProgram } from '../postgres/client-programs.ts';
import type { Connection } from '../postgres/connect.ts';
import type { ServerNodes } from '../postgres/server-nodes.ts';
import { readArchiverStatistics, readBackupProgress } from '../postgres/server-queries.ts';
import type { Context } from '../shared/context.ts';
import { messageOf, OperatorError } from '../shared/operator-error.ts';
import { quoteWords } from '../shared/shell-words.ts';
import { throwIfInterrupted } from '../shared/throw-if-interrupted.ts';
import { untilAborted } from '../shared/until-aborted.ts';
import { withRetries } from '../shared/with-retries.ts';
import { confinementTo } from '../transport/programs/confinement.ts';
import { failureOf } from '../transport/programs/program-result.ts';
import { runProgram } from '../transport/programs/run-program.ts';
import { refuseStrangeLinks } from './refuse-strange-links.ts';
import { tellAwaitedArchiving } from './tell-awaited-archiving.ts';

interface CopyOptions {
  readonly server: Server;
  readonly id: BackupId;
  readonly nodes: ServerNodes;
  readonly serverVersion: number;
  readonly tablespaces: readonly Tablespace[];
  readonly isCheckpointFast: boolean;
  readonly kilobytesPerSecond: number;
  /** Undefined stores plain files. */
  readonly compression: BackupCompression | undefined;
  /** Manifest of the backup that this one is built on; undefined copies everything. */
  readonly parentManifest: string | undefined;
  readonly retryTimes: number;
  readonly retrySleepSeconds: number;
  /** For asking how far the copy is; undefined when nobody looks. */
  readonly observer: Connection | undefined;
  /** Called once when the server waits until the WAL of the backup is archived; the signal aborts when it waits no more. */
  readonly whileWaitingForWal: ((until: AbortSignal) => Promise<void>) | undefined;
}

const progressEveryMs = 500;
/** A notice of the server, in English only; what `pg_stat_progress_basebackup` says is the same in all languages. */
const saysItWaits = /waiting for required WAL segments to be archived/;

/** A warning of the server, in any language: no other names a path so. */
const saysItSkips = /["'«„“‘「]\.\/(.+)["'»“”’」]\s*$/;
const mostSkipped = 100;

/**
 * Copies a cluster with `pg_basebackup` into `base/ID/data` and one folder per tablespace oid, made new (0700) before each attempt; tar
 * files all lie in `data`, and the others stay empty, as Barman leaves them. The program itself syncs what it wrote.
 * @returns paths below the data folder that the server has left out: links, sockets and the like
 * @throws OperatorError `configuration-invalid` when these versions cannot compress so; `command-failed` when the last attempt failed
 */
export async function copyWithBasebackup(options: CopyOptions, context: Context): Promise<readonly string[]> {
  const { server, serverVersion } = options;
  const where = { path: server.programPath, environment: server.environment, serverVersion };
  const program = await requireClientProgram('pg_basebackup', where);
  refuseImpossible(options, program);
  let skipped: readonly string[] = [];
  await withRetries(
    options,
    context,
    async () => {
      skipped = await copyOnce(options, program, context);
    },
    () => true,
  );
  return skipped;
}

function refuseImpossible({ compression, serverVersion, kilobytesPerSecond }: CopyOptions, program: ClientProgram): void {
  const versions = { client: program.version, server: serverVersion };
  const [problem] = [
    ...rateProblems(kilobytesPerSecond),
    ...(compression === undefined ? [] : compressionProblems(compression, versions)),
  ];
  if (problem !== undefined) throw new OperatorError('configuration-invalid', problem);
}

async function copyOnce(options: CopyOptions, program: ClientProgram, context: Context): Promise<readonly string[]> {
  const { server, id, tablespaces, isCheckpointFast, kilobytesPerSecond, compression, parentManifest } = options;
  const files = backupFilesOf(server.layout, id);
  const dataFolder = await files.makeEmpty('data');
  const mappings: { location: string; folder: string }[] = [];
  for (const { oid, location } of tablespaces) mappings.push({ location, folder: await files.makeEmpty(String(oid)) });
  const name = server.config.options.streaming_backup_name;
  await using client = await options.nodes.program(name, context.signal);
  const argv = basebackupArguments({
    program: program.path,
    programVersion: program.version,
    connection: client.connection,
    dataFolder,
    tablespaces: mappings,
    kilobytesPerSecond,
    isCheckpointFast,
    compression,
    parentManifest,
  });
  const skipped: string[] = [];
  const watching = new AbortController();
  let help: Promise<unknown> | undefined;
  const onWaiting = (): void => {
    help ??= Promise.all([options.whileWaitingForWal?.(watching.signal), tellWaiting(options, context, watching.signal)]);
  };
  const watch = watchProgress(options, { context, name, until: watching.signal, onWaiting });
  try {
    context.log.debug(`running ${quoteWords(argv)}`);
    const result = await runProgram(argv, {
      environment: { ...server.environment, ...client.secrets },
      inherited: client.inherited,
      signal: context.signal,
      // it makes every link that the server sends, and writes behind it
      confinement: await confinementTo(files.folder, server.environment),
      onStderrLine: (line) => {
        context.log.debug(`pg_basebackup: ${line}`);
        if (saysItWaits.test(line)) onWaiting();
        const left = saysItSkips.exec(line)?.[1];
        if (left !== undefined && !skipped.includes(left) && skipped.length < mostSkipped) skipped.push(left);
      },
    });
    throwIfInterrupted(context.signal);
    if (result.exitCode !== 0) throw failureOf(result, 'pg_basebackup');
    await refuseStrangeLinks(files, new Set(tablespaces.map(({ oid }) => oid)), context.signal);
    return skipped;
  } finally {
    watching.abort();
    await watch;
    await help;
    context.progress.end();
  }
}

async function tellWaiting({ observer }: CopyOptions, context: Context, until: AbortSignal): Promise<void> {
  if (observer !== undefined) await tellAwaitedArchiving(() => readArchiverStatistics(observer), context, until);
}

interface Watch {
  readonly context: Context;
  readonly name: string;
  readonly until: AbortSignal;
  readonly onWaiting: () => void;
}

/** Asks the server how far it is. Progress is a courtesy: when the server does not answer, the copy decides what that means. */
async function watchProgress({ observer }: CopyOptions, { context, name, until, onWaiting }: Watch): Promise<void> {
  if (observer === undefined) return;
  let hasBegun = false;
  try {
    for (;;) {
      await context.clock.sleep(progressEveryMs, until);
      const found = await untilAborted(readBackupProgress(observer, name), until); // it may hang
      if (found === undefined) continue;
      if (found.isWaitingForWal) onWaiting();
      if (!hasBegun) context.progress.begin({ label: 'Copying files', totalBytes: found.totalBytes });
      hasBegun = true;
      context.progress.advance(found.doneBytes);
    }
  } catch (error) {
    if (!until.aborted) context.log.debug(`no progress to show: ${messageOf(error)}`);
  }
}
