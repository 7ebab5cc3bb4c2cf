import { systemClock } from '../../shared/clock.ts';
import { messageOf, OperatorError } from '../../shared/operator-error.ts';
import { shownLine } from '../../shared/shown-text.ts';
import { type FetchOptions, testRetrieval } from '../../shipping/fetch-wal.ts';
import { type HelperArguments, type HelperDeclaration, parseHelperArguments } from '../../shipping/helper-arguments.ts';
import { prefetch } from '../../shipping/prefetch.ts';
import { type RestoreOutcome, restoreWal } from '../../shipping/restore-wal.ts';
import { defaultSpoolParent, openSpool, type Spool, spoolFor } from '../../shipping/spool.ts';
import {
  type PrefetchOrder,
  readPrefetchOrder,
  startPrefetch,
  waitForPredecessor,
  withoutOrder,
} from '../../shipping/start-prefetch.ts';
import { readClusterSystemId } from '../../shipping/wal-page.ts';
import { recoveryMustStop } from '../../wal/restore-status.ts';
import { parseSegmentName } from '../../wal/wal-name.ts';
import type { Invoked } from '../invoked.ts';
import { standardError, standardOutput } from '../standard-stream.ts';
import { commonOptions, remoteHostOf, runHelper, tell } from './helper-program.ts';

export const walRestore: HelperDeclaration = {
  summary: 'Fetch a WAL file from the backup host; to be used as restore_command',
  positionals: ['BARMAN_HOST', 'SERVER_NAME', 'WAL_NAME', 'WAL_DEST'],
  barmanOptions: [
    ...['[-h]', '[-V]', '[-U USER]', '[--port PORT]', '[-s SECONDS]', '[-p JOBS]', '[--spool-dir SPOOL_DIR]', '[-P]'],
    ...['[-z', '|', '-j', '|', '--keep-compression]', '[-c CONFIG]', '[-t]'],
  ],
  options: [
    ...commonOptions,
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
    { name: 'test', short: 't', takesValue: false, summary: 'only tell whether the backup host would send WAL' },
    { name: 'strict', takesValue: false, summary: 'end recovery with an error for every failure but a missing file' },
    {
      name: 'retry-time',
      takesValue: true,
      isNumber: true,
      metavar: 'SECONDS',
      summary: 'how long a broken connection is tried again (default: 10; 120 with --strict)',
    },
  ],
};

const usualRetrySeconds = 10;
const strictRetrySeconds = 120;
/** Exit code for a destination that cannot be written: Barman's helper does not sleep then. */
const badDestination = 3;

/** `restore_command` (docs/reference/cli.md section 14): gives the exit code, 0 only when the file is in place whole. */
export async function runWalRestore(invoked: Invoked): Promise<number> {
  const order = readPrefetchOrder(process.env);
  if (order !== undefined) return await fetchAhead(order);
  return await runHelper(invoked, walRestore, async (parsed) => {
    const form = formOf(parsed);
    if (parsed.options.has('test')) return await test(parsed);
    if (form === 'gzip' || form === 'bzip2') standardOutput.write(`WARNING: --${form} is deprecated, use --keep-compression\n`);
    const exitCode = await restore(parsed, invoked);
    if (exitCode !== 0 && exitCode !== badDestination) await pause(parsed);
    return exitCode;
  });
}

async function test(parsed: HelperArguments): Promise<number> {
  const { exitCode, stdout, stderr } = await testRetrieval(fetchOptions(parsed));
  const lines = `${stdout}${stderr}`.trimEnd().split(/\r?\n/);
  standardOutput.write(`${lines.map(shownLine).join('\n')}\n`);
  return exitCode;
}

async function pause({ options }: HelperArguments): Promise<void> {
  const seconds = Number(options.get('sleep') ?? 0);
  if (seconds <= 0) return;
  standardError.write(`Sleeping ${String(seconds)} seconds.\n`);
  await systemClock.sleep(seconds * 1000);
}

async function restore(parsed: HelperArguments, { script, argv }: Invoked): Promise<number> {
  const [, , walName = '', walDest = ''] = parsed.positionals;
  const spool = await spoolOf(parsed, walName);
  const outcome = await restoreOrFail(parsed, spool);
  if (outcome.kind === 'failed') return tell(`ERROR: ${outcome.message}`, outcome.exitCode);
  if (outcome.kind === 'taken-from-spool' || spool === undefined) return 0;
  const dataFolder = process.cwd();
  const start = { spool, walName, walDest, argv, script, dataFolder, environment: process.env, clock: systemClock };
  // the file is in place, whatever becomes of those after it
  return await startPrefetch(start).then(
    () => 0,
    (error: unknown) => tell(`WARNING: nothing is fetched ahead: ${messageOf(error)}`, 0),
  );
}

async function restoreOrFail(parsed: HelperArguments, spool: Spool | undefined): Promise<RestoreOutcome> {
  const [, , walName = '', walDest = ''] = parsed.positionals;
  const isStrict = parsed.options.has('strict');
  const retrySeconds = Number(parsed.options.get('retry-time') ?? (isStrict ? strictRetrySeconds : usualRetrySeconds));
  try {
    return await restoreWal({
      walName,
      walDest,
      fetch: fetchOptions(parsed),
      retryMs: retrySeconds * 1000,
      spool,
      dataFolder: process.cwd(),
      clock: systemClock,
    });
  } catch (error) {
    return { kind: 'failed', exitCode: isStrict ? recoveryMustStop : 2, message: messageOf(error) };
  }
}

/** Where segments wait that are fetched ahead; undefined when that was not asked for, or cannot be. */
async function spoolOf(parsed: HelperArguments, walName: string): Promise<Spool | undefined> {
  if (Number(parsed.options.get('parallel') ?? 0) <= 1 || parseSegmentName(walName) === undefined) return undefined;
  try {
    const spool = await spoolFor({
      parent: parsed.options.get('spool-dir') ?? defaultSpoolParent,
      dataFolder: process.env['PWD'] ?? process.cwd(),
      remote: remoteHostOf(parsed),
      serverName: parsed.positionals[1] ?? '',
    });
    return spool !== undefined && (await openSpool(spool, process.getuid?.())) ? spool : undefined;
  } catch (error) {
    tell(`WARNING: nothing is fetched ahead: ${messageOf(error)}`, 0); // one file at a time works without a spool
    return undefined;
  }
}

/** The process in the background. */
async function fetchAhead({ argv, first, segmentSize, dataFolder }: PrefetchOrder): Promise<number> {
  const parsed = parseHelperArguments(argv, walRestore, 'pgcellar-wal-restore');
  const spool = await spoolOf(parsed, first);
  if (spool === undefined) return 0;
  await waitForPredecessor(spool, systemClock);
  await prefetch({
    spool,
    fetch: { ...fetchOptions(parsed), allowsPartial: false, isStrict: false },
    first,
    segmentSize,
    ahead: Math.max(2, Number(parsed.options.get('parallel') ?? 2)),
    systemid: await readClusterSystemId(dataFolder),
    dataFolder,
    clock: systemClock,
  });
  return 0;
}

function fetchOptions(parsed: HelperArguments): FetchOptions {
  return {
    remote: remoteHostOf(parsed),
    serverName: parsed.positionals[1] ?? '',
    allowsPartial: parsed.options.has('partial'),
    form: formOf(parsed),
    isStrict: parsed.options.has('strict'),
    environment: withoutOrder(process.env),
  };
}

function formOf({ options }: HelperArguments): FetchOptions['form'] {
  const given = (['gzip', 'bzip2', 'keep-compression'] as const).filter((name) => options.has(name));
  if (given.length > 1) throw new OperatorError('usage', `--${given.join(' and --')} exclude each other`);
  const [form = 'plain'] = given;
  return form === 'keep-compression' ? 'keep' : form;
}
