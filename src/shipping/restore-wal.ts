import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Clock } from '../shared/clock.ts';
import { pathExists } from '../shared/look.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { mostTakenForMissing, recoveryMustStop } from '../wal/restore-status.ts';
import { parseSegmentName } from '../wal/wal-name.ts';
import { sshFailure } from './backup-host.ts';
import { type FetchOptions, fetchWal, lastLineOf, type RemoteOutcome } from './fetch-wal.ts';
import { Pauses } from './pauses.ts';
import { isUnwritten, readClusterSystemId, segmentProblem } from './wal-page.ts';

export interface RestoreOptions {
  readonly walName: string;
  readonly walDest: string;
  readonly fetch: FetchOptions;
  /** How long a broken connection is tried again. */
  readonly retryMs: number;
  /** Of the server that recovers. */
  readonly dataFolder: string;
  readonly clock: Clock;
}

/** The outcome of a restore_command. */
export type RestoreOutcome =
  | { readonly kind: 'fetched' }
  | { readonly kind: 'failed'; readonly exitCode: number; readonly message: string };

/**
 * Brings one WAL file to its place, whole and checked, or leaves the place alone.
 * @throws OperatorError for what is wrong on this host, or with the file
 */
export async function restoreWal(options: RestoreOptions): Promise<RestoreOutcome> {
  const problem = await destinationProblem(options.walDest);
  if (problem !== undefined) return failed(options.fetch.isStrict ? recoveryMustStop : 3, problem);
  return outcomeOf(await fetchWithRetries(options), options, await endsWithoutWal(options.dataFolder));
}

async function destinationProblem(walDest: string): Promise<string | undefined> {
  try {
    return (await stat(walDest)).isDirectory() ? `WAL_DEST cannot be a directory: ${walDest}` : undefined;
  } catch {
    const folder = resolve(walDest, '..');
    return (await pathExists(folder)) ? undefined : `cannot open '${walDest}' for writing: there is no folder ${folder}`;
  }
}

/** A connection that broke is tried again with growing pauses. */
async function fetchWithRetries(options: RestoreOptions): Promise<RemoteOutcome> {
  const { retryMs, clock } = options;
  const deadline = clock.elapsedMs() + retryMs;
  const pauses = new Pauses();
  for (;;) {
    const outcome = await fetchChecked(options);
    const pauseMs = pauses.next();
    if (outcome.exitCode !== sshFailure || clock.elapsedMs() + pauseMs > deadline) return outcome;
    await clock.sleep(pauseMs);
  }
}

/** A file with a wrong beginning counts as damaged on its way; an empty partial segment counts as missing. */
async function fetchChecked({ walName, walDest, fetch, dataFolder }: RestoreOptions): Promise<RemoteOutcome> {
  const segment = parseSegmentName(walName);
  return await fetchWal(walName, walDest, fetch, async (path) => {
    if (segment === undefined) return undefined;
    if (fetch.allowsPartial && (await isUnwritten(path))) return { exitCode: 1, stderr: 'nothing of it was received yet' };
    const problem = await segmentProblem(path, segment, { systemid: await readClusterSystemId(dataFolder) });
    if (problem === undefined) return undefined;
    throw new OperatorError('wal-stream-invalid', `the backup host sent another file for ${walName}: ${problem}`);
  });
}

/** A recovery that is no standby's ends for good at the first file that counts as missing; a standby asks again. */
async function endsWithoutWal(dataFolder: string): Promise<boolean> {
  const has = async (name: string): Promise<boolean> => await pathExists(`${dataFolder}/${name}`).catch(() => false);
  return (await has('recovery.signal')) && !(await has('standby.signal'));
}

/**
 * With `--strict`, only a file that is surely not there has an exit code up to 125; without it, what the backup host could not do for a
 * file must not end a recovery that is no standby's.
 */
function outcomeOf(
  { exitCode, stderr }: RemoteOutcome,
  { walName, fetch }: RestoreOptions,
  isRecovery: boolean,
): RestoreOutcome {
  const { host } = fetch.remote;
  const said = lastLineOf(stderr);
  const otherwise = (status: number) => (fetch.isStrict ? recoveryMustStop : Math.min(status, mostTakenForMissing));
  if (exitCode === 0) return { kind: 'fetched' };
  if (exitCode === 1) return failed(1, missingText(walName, fetch, said));
  if (exitCode === sshFailure) return failed(otherwise(2), `cannot reach ${host} for ${walName}: ${said}`);
  if (isRecovery && exitCode > mostTakenForMissing)
    return failed(recoveryMustStop, `${host} ended with ${String(exitCode)} for ${walName}: ${said}`);
  return failed(otherwise(exitCode), `${host} ended with ${String(exitCode)} for ${walName}: ${said}`);
}

/** The message about a file that the backup host does not have. */
export function missingText(walName: string, { serverName, remote }: FetchOptions, said: string): string {
  return `WAL file ${walName} of server ${serverName} is not on ${remote.host}: ${said}`;
}

function failed(exitCode: number, message: string): RestoreOutcome {
  return { kind: 'failed', exitCode, message };
}
