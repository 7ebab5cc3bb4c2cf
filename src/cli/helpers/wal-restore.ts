import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { systemClock } from '../../shared/clock.ts';
import { readLockOwner } from '../../shared/file-lock.ts';
import { pathExists } from '../../shared/look.ts';
import { messageOf, OperatorError } from '../../shared/operator-error.ts';
import { type FetchOptions, fetchWal, type RemoteOutcome, testRetrieval } from '../../shipping/fetch-wal.ts';
import {
  type HelperArguments,
  type HelperDeclaration,
  helperHelp,
  parseHelperArguments,
} from '../../shipping/helper-arguments.ts';
import { prefetch } from '../../shipping/prefetch.ts';
import { type RemoteHost, sshFailure } from '../../shipping/remote-host.ts';
import { comingNext, defaultSpoolParent, openSpool, type Spool, spoolFor, takeFromSpool } from '../../shipping/spool.ts';
import { readClusterSystemId, segmentProblem } from '../../shipping/wal-page.ts';
import { startDetached } from '../../transport/start-detached.ts';
import { isAlive } from '../../transport/stop-process.ts';
import { nextSegment, parseSegmentName } from '../../wal/wal-name.ts';
import type { Invoked } from '../invoked.ts';
import { versionLine } from '../version.ts';

export const walRestore: HelperDeclaration = {
  summary: 'Fetch a WAL file from the backup host; to be used as restore_command',
  positionals: ['BARMAN_HOST', 'SERVER_NAME', 'WAL_NAME', 'WAL_DEST'],
  options: [
    { name: 'help', short: 'h', takesValue: false, summary: 'show this help and exit' },
    { name: 'version', short: 'V', takesValue: false, summary: 'show the version and exit' },
    { name: 'user', short: 'U', takesValue: true, summary: 'user on the backup host (default: barman)' },
    { name: 'port', takesValue: true, isNumber: true, summary: 'port of ssh' },
    {
      name: 'sleep',
      short: 's',
      takesValue: true,
      isNumber: true,
      metavar: 'SECONDS',
      summary: 'pause before a failure is told (default: 0)',
    },
    {
      name: 'parallel',
      short: 'p',
      takesValue: true,
      isNumber: true,
      metavar: 'JOBS',
      summary: 'fetch so many segments ahead',
    },
    { name: 'spool-dir', takesValue: true, metavar: 'DIR', summary: 'where they wait (default: /var/tmp)' },
    { name: 'partial', short: 'P', takesValue: false, summary: 'also take a segment that is still being received' },
    { name: 'gzip', short: 'z', takesValue: false, summary: 'compress with gzip on the way (deprecated)' },
    { name: 'bzip2', short: 'j', takesValue: false, summary: 'compress with bzip2 on the way (deprecated)' },
    { name: 'keep-compression', takesValue: false, summary: 'transfer the file as it is stored' },
    { name: 'config', short: 'c', takesValue: true, metavar: 'FILE', summary: 'configuration file on the backup host' },
    { name: 'test', short: 't', takesValue: false, summary: 'only tell whether the backup host would send WAL' },
    { name: 'strict', takesValue: false, summary: 'end recovery with an error when the backup host cannot be reached' },
    {
      name: 'retry-time',
      takesValue: true,
      isNumber: true,
      metavar: 'SECONDS',
      summary: 'how long a broken connection is tried again',
    },
    { name: 'program', takesValue: true, metavar: 'NAME', summary: 'program on the backup host (default: barman)' },
  ],
};

/** What the launcher hands to the process that fetches ahead. */
interface PrefetchOrder {
  readonly arguments: readonly string[];
  readonly first: string;
  readonly segmentSize: number;
  readonly dataFolder: string;
}

const orderVariable = 'PGCELLAR_PREFETCH';
/** Above 125, so that PostgreSQL stops with an error instead of ending recovery early (clients.md section 7.1). */
const strictFailure = 200;
const usualRetrySeconds = 10;
const strictRetrySeconds = 120;
const longestPauseMs = 5_000;
const waitForArrivalMs = 20_000;

/** `restore_command` (cli.md section 14): gives the exit code, 0 only when the file is in place whole. */
export async function runWalRestore({ programName, script, argv }: Invoked): Promise<number> {
  const order = process.env[orderVariable];
  if (order !== undefined) return await fetchAhead(JSON.parse(order) as PrefetchOrder); // written by startPrefetch below
  let parsed: HelperArguments;
  try {
    parsed = parseHelperArguments(argv, walRestore, programName);
    refuseContradiction(parsed);
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return tell(error.message, 2);
  }
  if (parsed.options.has('version')) {
    process.stdout.write(`${versionLine(programName)}\n`);
    return 0;
  }
  if (parsed.options.has('help')) {
    process.stdout.write(helperHelp(walRestore, programName));
    return 0;
  }
  const exitCode = await restoreOrTell(parsed, { script, argv });
  const pause = Number(parsed.options.get('sleep') ?? 0);
  if (exitCode !== 0 && exitCode !== 3 && pause > 0 && !parsed.options.has('test')) {
    process.stderr.write(`Sleeping ${String(pause)} seconds.\n`);
    await systemClock.sleep(pause * 1000);
  }
  return exitCode;
}

interface Called {
  readonly script: string;
  readonly argv: readonly string[];
}

async function restoreOrTell(parsed: HelperArguments, called: Called): Promise<number> {
  try {
    return await restore(parsed, called);
  } catch (error) {
    return tell(`ERROR: ${messageOf(error)}`, 2);
  }
}

async function restore(parsed: HelperArguments, called: Called): Promise<number> {
  const { positionals, options } = parsed;
  const [, , walName = '', walDest = ''] = positionals;
  const fetch = fetchOptions(parsed);
  if (options.has('test')) {
    const { exitCode, stdout, stderr } = await testRetrieval(fetch);
    process.stdout.write(`${`${stdout}${stderr}`.trimEnd()}\n`);
    return exitCode;
  }
  for (const name of ['gzip', 'bzip2'])
    if (options.has(name)) process.stdout.write(`WARNING: --${name} is deprecated, use --keep-compression\n`);
  const problem = await destinationProblem(walDest);
  if (problem !== undefined) return tell(`ERROR: ${problem}`, 3);
  const jobs = Number(options.get('parallel') ?? 0);
  const spool = jobs > 1 && parseSegmentName(walName) !== undefined ? await spoolOf(parsed, fetch) : undefined;
  if (spool !== undefined && (await takeSoon(spool, walName, walDest))) return 0;
  const exitCode = await fetchWithRetries(parsed, fetch);
  if (exitCode === 0 && spool !== undefined) await startPrefetch({ spool, walName, walDest, called });
  return exitCode;
}

/** A connection that broke is tried again with growing pauses; what is still broken then depends on `--strict`. */
async function fetchWithRetries({ positionals, options }: HelperArguments, fetch: FetchOptions): Promise<number> {
  const [host = '', serverName = '', walName = '', walDest = ''] = positionals;
  const isStrict = options.has('strict');
  const seconds = Number(options.get('retry-time') ?? (isStrict ? strictRetrySeconds : usualRetrySeconds));
  const deadline = systemClock.elapsedMs() + seconds * 1000;
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    const outcome = await fetchChecked(walName, walDest, fetch);
    if (outcome.exitCode !== sshFailure) return exitCodeOf(outcome, { walName, serverName, host });
    if (systemClock.elapsedMs() + pauseMs > deadline) {
      return tell(`ERROR: cannot reach ${host} for ${walName}: ${lastLine(outcome.stderr)}`, isStrict ? strictFailure : 2);
    }
    await systemClock.sleep(pauseMs);
  }
}

/** A segment that does not begin as it must counts as damaged on its way. */
async function fetchChecked(walName: string, walDest: string, fetch: FetchOptions): Promise<RemoteOutcome> {
  const outcome = await fetchWal(walName, walDest, fetch);
  const segment = parseSegmentName(walName);
  if (outcome.exitCode !== 0 || segment === undefined || fetch.allowsPartial) return outcome;
  const problem = await segmentProblem(walDest, segment, undefined);
  if (problem !== undefined)
    throw new OperatorError('wal-stream-invalid', `what the backup host sent for ${walName} is not that segment: ${problem}`);
  return outcome;
}

function exitCodeOf(
  { exitCode, stderr }: RemoteOutcome,
  { walName, serverName, host }: { walName: string; serverName: string; host: string },
): number {
  if (exitCode === 0) return 0;
  if (exitCode === 1)
    return tell(`ERROR: WAL file ${walName} of server ${serverName} is not on ${host}: ${lastLine(stderr)}`, 1);
  return tell(`ERROR: ${host} ended with ${String(exitCode)} for ${walName}: ${lastLine(stderr)}`, Math.min(exitCode, 125));
}

async function destinationProblem(walDest: string): Promise<string | undefined> {
  try {
    return (await stat(walDest)).isDirectory() ? `WAL_DEST cannot be a directory: ${walDest}` : undefined;
  } catch {
    const folder = resolve(walDest, '..');
    return (await pathExists(folder)) ? undefined : `cannot open '${walDest}' for writing: there is no folder ${folder}`;
  }
}

async function spoolOf(parsed: HelperArguments, fetch: FetchOptions): Promise<Spool | undefined> {
  const spool = await spoolFor({
    parent: parsed.options.get('spool-dir') ?? defaultSpoolParent,
    dataFolder: process.env['PWD'] ?? process.cwd(),
    remote: fetch.remote,
    serverName: fetch.serverName,
  });
  if (spool === undefined) return undefined;
  return (await openSpool(spool, process.getuid?.())) ? spool : undefined;
}

/** Takes the segment when it is there, or comes next: fetching it a second time would take longer than waiting. */
async function takeSoon(spool: Spool, walName: string, walDest: string): Promise<boolean> {
  const deadline = systemClock.elapsedMs() + waitForArrivalMs;
  for (;;) {
    if (await takeFromSpool(spool, walName, walDest)) return true;
    if ((await comingNext(spool)) !== walName || systemClock.elapsedMs() > deadline)
      return await takeFromSpool(spool, walName, walDest);
    for (let tries = 0; tries < 20; tries++) {
      await systemClock.sleep(5);
      if (await takeFromSpool(spool, walName, walDest)) return true;
    }
  }
}

interface Order {
  readonly spool: Spool;
  readonly walName: string;
  readonly walDest: string;
  readonly called: Called;
}

/** Starts fetching ahead from the segment after this one, in the place of whoever fetched ahead from elsewhere. */
async function startPrefetch({ spool, walName, walDest, called }: Order): Promise<void> {
  const segment = parseSegmentName(walName);
  if (segment === undefined) return;
  const { size } = await stat(walDest);
  const owner = await readLockOwner(spool.lock);
  if (owner !== undefined && isAlive(owner)) process.kill(owner, 'SIGTERM');
  const order: PrefetchOrder = {
    arguments: called.argv,
    first: nextSegment(segment, size),
    segmentSize: size,
    dataFolder: process.cwd(),
  };
  await startDetached([process.execPath, called.script], {
    environment: { ...process.env, [orderVariable]: JSON.stringify(order) },
    keepsOutput: false,
  });
}

/** The process in the background. */
async function fetchAhead({ arguments: argv, first, segmentSize, dataFolder }: PrefetchOrder): Promise<number> {
  const parsed = parseHelperArguments(argv, walRestore, 'pgcellar-wal-restore');
  const fetch = fetchOptions(parsed);
  const spool = await spoolOf(parsed, fetch);
  const segment = parseSegmentName(first);
  if (spool === undefined || segment === undefined) return 0;
  for (let tries = 0; tries < 50 && (await readLockOwner(spool.lock)) !== undefined; tries++) await systemClock.sleep(20);
  await prefetch({
    spool,
    fetch,
    first: segment,
    segmentSize,
    ahead: Math.max(2, Number(parsed.options.get('parallel') ?? 2)),
    systemid: await readClusterSystemId(dataFolder),
    dataFolder,
    clock: systemClock,
  });
  return 0;
}

function fetchOptions({ positionals: [host = '', serverName = ''], options }: HelperArguments): FetchOptions {
  const port = options.get('port');
  const remote: RemoteHost = {
    user: options.get('user') ?? 'barman',
    host,
    port: port === undefined ? undefined : Number(port),
    configPath: options.get('config'),
    program: options.get('program') ?? 'barman',
  };
  const environment = { ...process.env, [orderVariable]: undefined };
  const form = options.has('gzip')
    ? 'gzip'
    : options.has('bzip2')
      ? 'bzip2'
      : options.has('keep-compression')
        ? 'keep'
        : 'plain';
  return { remote, serverName, allowsPartial: options.has('partial'), form, environment };
}

function refuseContradiction({ options }: HelperArguments): void {
  const given = ['gzip', 'bzip2', 'keep-compression'].filter((name) => options.has(name));
  if (given.length > 1) throw new OperatorError('usage', `--${given.join(' and --')} exclude each other`);
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

function tell(text: string, exitCode: number): number {
  process.stderr.write(`${text}\n`);
  return exitCode;
}
