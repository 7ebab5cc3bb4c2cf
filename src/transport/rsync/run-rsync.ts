import type { Context } from '../../shared/context.ts';
import type { Environment } from '../../shared/environment.ts';
import { bytesOf } from '../../shared/file-name.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { throwIfInterrupted } from '../../shared/throw-if-interrupted.ts';
import { failureOf, type ProgramResult } from '../programs/program-result.ts';
import { runProgram } from '../programs/run-program.ts';
import type { SharedLogin } from '../ssh/shared-login.ts';
import { type RsyncJob, rsyncArguments } from './rsync-arguments.ts';

/** The copy, and the host at its other end. */
export interface RsyncTask extends Omit<RsyncJob, 'remote'> {
  /** The side that is not here; undefined when both are. */
  readonly remote?: { readonly side: 'source' | 'destination'; readonly login: SharedLogin } | undefined;
}

interface RsyncOptions {
  /** Its PATH has rsync, and ssh when a host is reached. */
  readonly environment: Environment;
  readonly retryTimes: number;
  readonly retrySleepSeconds: number;
  /** Nobody changes the source meanwhile: a file that vanishes is a failure. */
  readonly isSourceStill?: boolean;
  /** Bytes that this run has copied so far. */
  readonly onProgress?: (bytes: number) => void;
}

type RsyncContext = Pick<Context, 'clock' | 'log' | 'messages' | 'signal'>;

const batchLength = 64 * 1024;

/** Some files could not be sent; and: some of them vanished before they could. */
const partial = 23;
const vanished = 24;

/**
 * Runs rsync, again after a pause when it fails. Files that vanish meanwhile are no failure: a running server drops and truncates files
 * all the time (docs/reference/engine.md section 6.4).
 * @throws OperatorError `command-failed` with rsync's words, `interrupted`, or `program-missing`
 */
export async function runRsync(task: RsyncTask, options: RsyncOptions, context: RsyncContext): Promise<void> {
  for (let retriesLeft = options.retryTimes; ; retriesLeft--) {
    const result = await runOnce(task, options, context);
    throwIfInterrupted(context.signal);
    if (options.isSourceStill === true ? result.exitCode === 0 : hasCopied(result)) return;
    if (task.isOtherSideOld !== true && isFromOldRsync(result)) {
      context.log.info('the rsync of the other side is older than 3.1');
      await runRsync({ ...task, isOtherSideOld: true }, options, context);
      return;
    }
    if (result.exitCode === 127)
      throw new OperatorError('program-missing', 'the program rsync was not found', { hint: 'install the package rsync' });
    const failure = failureOf(result, 'rsync');
    if (retriesLeft <= 0) throw failure;
    const pause = options.retrySleepSeconds;
    context.messages.warning(`${failure.message}; ${String(retriesLeft)} attempts left, the next one in ${String(pause)} s`);
    await context.clock.sleep(pause * 1000, context.signal);
  }
}

function isFromOldRsync({ exitCode, stderr }: ProgramResult): boolean {
  return exitCode !== 0 && /--ignore-missing-args: unknown option/.test(stderr);
}

async function runOnce(
  { remote, ...job }: RsyncTask,
  { environment, onProgress }: RsyncOptions,
  { log, signal }: RsyncContext,
): Promise<ProgramResult> {
  using lent = await remote?.login.lend(signal);
  const argv = rsyncArguments(
    remote === undefined || lent === undefined ? job : { ...job, remote: { side: remote.side, sshCommand: lent.sshCommand } },
  );
  log.debug(`rsync ${job.source} to ${job.destination}`);
  return await runProgram(argv, {
    environment: { ...environment, LC_ALL: 'C' }, // its words are read below
    signal,
    ...(job.files === undefined ? {} : { input: listOf(job.files) }),
    onStdoutLine: (line) => {
      const bytes = /^\s*([\d,]+)\s+\d+%/.exec(line)?.[1];
      if (bytes !== undefined) onProgress?.(Number(bytes.replaceAll(',', '')));
    },
    onStderrLine: (line) => {
      log.debug(`rsync: ${line}`);
    },
  });
}

/** As rsync reads it with `--from0`. */
async function* listOf(files: NonNullable<RsyncJob['files']>): AsyncGenerator<Buffer> {
  const paths = typeof files === 'function' ? files() : files;
  let batch = '';
  for await (const path of paths) {
    batch += `${/^[#;]/.test(path) ? './' : ''}${path}\0`; // a line that begins so is a comment to rsync
    if (batch.length < batchLength) continue;
    yield bytesOf(batch);
    batch = '';
  }
  yield bytesOf(batch);
}

/** Whether the destination has everything that the source still had when it was read. */
export function hasCopied({ exitCode, stderr }: Pick<ProgramResult, 'exitCode' | 'stderr'>): boolean {
  if (exitCode === 0 || exitCode === vanished) return true;
  if (exitCode !== partial) return false;
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  const reasons = lines.filter((line) => !/^rsync error: .*\(code 23\)/.test(line));
  return (
    reasons.length > 0 &&
    reasons.every((line) => /has vanished|No such file or directory|file truncated|has no referent/i.test(line))
  );
}
