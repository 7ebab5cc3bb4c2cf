import { readlink } from 'node:fs/promises';
import { basename, relative } from 'node:path';
import type { BackupId, Tablespace } from '../catalog/backups/backup.ts';
import { type BackupFiles, backupFilesOf, filesBelow } from '../catalog/backups/backup-files.ts';
import type { Server } from '../config/server.ts';
import { basebackupArguments, rateProblems } from '../postgres/basebackup-arguments.ts';
import { type BackupCompression, compressionProblems } from '../postgres/basebackup-compression.ts';
import { type ClientProgram, requireClientProgram } from '../postgres/client-programs.ts';
import type { Connection } from '../postgres/connect.ts';
import type { ServerNodes } from '../postgres/server-nodes.ts';
import { readArchiverStatistics, readBackupProgress } from '../postgres/server-queries.ts';
import type { Context } from '../shared/context.ts';
import type { Environment } from '../shared/environment.ts';
import { nameOf, onDisk } from '../shared/file-name.ts';
import { forEachBriefly } from '../shared/for-each-briefly.ts';
import { namesIn } from '../shared/look.ts';
import { messageOf, OperatorError } from '../shared/operator-error.ts';
import { quoteWords } from '../shared/shell-words.ts';
import { throwIfInterrupted } from '../shared/throw-if-interrupted.ts';
import { untilAborted } from '../shared/until-aborted.ts';
import { withRetries } from '../shared/with-retries.ts';
import { failureOf } from '../transport/programs/program-result.ts';
import { runProgram } from '../transport/programs/run-program.ts';
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
    ...(compression === undefined ? [] : compressionProblems(compression, versions).map(({ text }) => text)),
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
    if (!until.aborted) context.log.debug(`the progress cannot be shown: ${messageOf(error)}`);
  }
}

/**
 * Looks through what `pg_basebackup` has written: a server sends links of tablespaces only, and the program has pointed each of them to its folder in the
 * backup. Whoever reads another one later reads what is not of this backup.
 * @throws OperatorError `backup-failed` naming the first such link
 */
async function refuseStrangeLinks(files: BackupFiles, oids: ReadonlySet<number>, signal: AbortSignal): Promise<void> {
  const links: string[] = [];
  await forEachBriefly(
    filesBelow(files.folder),
    ({ path, isLink }) => {
      if (isLink) links.push(path);
    },
    signal,
  );
  for (const path of links) await refuseStrange(path, files, oids);
  for (const oid of oids) await refuseStrangers(files.tablespaceFolder(oid));
}

/** In the place of a tablespace, which may be any folder that the server names, a restore puts the folder of PostgreSQL and nothing else. */
async function refuseStrangers(tablespace: string): Promise<void> {
  const stranger = (await namesIn(tablespace)).find((name) => !/^PG_\d/.test(name));
  if (stranger === undefined) return;
  throw new OperatorError(
    'backup-failed',
    `the server sent ${JSON.stringify(stranger)} for the tablespace ${basename(tablespace)}, which PostgreSQL never does`,
    { hint: 'find out which server answers at the address of streaming_conninfo' },
  );
}

async function refuseStrange(path: string, files: BackupFiles, oids: ReadonlySet<number>): Promise<void> {
  const target = nameOf(await readlink(onDisk(path), 'buffer'));
  const name = relative(files.dataFolder, path);
  const oid = /^pg_tblspc\/(\d{1,10})$/.exec(name)?.[1];
  if (oid !== undefined && oids.has(Number(oid)) && target === files.pathOf(oid)) return;
  const link = `${JSON.stringify(name)}, a link to ${JSON.stringify(target)}`;
  if (oid !== undefined && !oids.has(Number(oid)))
    throw new OperatorError(
      'backup-failed',
      `the server sent ${link}: a tablespace that it did not have when the backup began`,
      {
        hint: `take another backup; if ${target} is new on this host, pg_basebackup has made it: remove it`,
      },
    );
  throw new OperatorError('backup-failed', `the server sent ${link}, which PostgreSQL never does`, {
    hint: 'find out which server answers at the address of streaming_conninfo, and whether it has written through that link on this host',
  });
}

/** The changes of a file system that Landlock of Linux 5.13, the first one, knows; it also refuses moves into another folder. */
const changes = [
  'write-file',
  'make-reg',
  'make-dir',
  'make-sym',
  'make-fifo',
  'make-sock',
  'make-char',
  'make-block',
  'remove-file',
  'remove-dir',
].join(',');

/**
 * Words for `setpriv` with which a program can change nothing but what really lies below a folder, whatever link it follows; none where the kernel or
 * `setpriv` (util-linux 2.40 has them) does not know how.
 */
async function confinementTo(folder: string, environment: Environment): Promise<readonly string[]> {
  const words = [
    '--no-new-privs', // or only root may confine itself
    '--landlock-access',
    `fs:${changes}`,
    '--landlock-rule',
    `path-beneath:${changes}:${folder}`,
    '--landlock-rule',
    'path-beneath:write-file:/dev/null',
  ];
  try {
    const tried = await runProgram(['true'], { environment, confinement: words });
    return tried.exitCode === 0 ? words : [];
  } catch (error) {
    if (error instanceof OperatorError) return []; // the program itself will say what is missing
    throw error;
  }
}
