import { systemClock } from '../../shared/clock.ts';
import { messageOf, OperatorError } from '../../shared/operator-error.ts';
import { shownLine } from '../../shared/shown-text.ts';
import { attend } from '../../shipping/attend.ts';
import { type FetchOptions, testRetrieval } from '../../shipping/fetch-wal.ts';
import { type HelperArguments, type HelperDeclaration, parseHelperArguments } from '../../shipping/helper-arguments.ts';
import { type RestoreOutcome, restoreWal } from '../../shipping/restore-wal.ts';
import { readClusterSystemId } from '../../shipping/wal-page.ts';
import { recoveryMustStop } from '../../wal/restore-status.ts';
import type { Invoked } from '../invoked.ts';
import { standardError, standardOutput } from '../standard-stream.ts';
import {
  attendantOptions,
  attendVariable,
  backupHostOf,
  commonOptions,
  environmentOfPrograms,
  runHelper,
  tell,
} from './helper-program.ts';

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
      summary: 'pause before a failure is reported (default: 0)',
    },
    {
      name: 'parallel',
      short: 'p',
      takesValue: true,
      isNumber: true,
      metavar: 'JOBS',
      summary: 'fetch up to that many segments ahead; 0 for none (default: 8 after two requests in order)',
    },
    { name: 'spool-dir', takesValue: true, metavar: 'DIR', summary: 'folder for waiting segments (default: /var/tmp)' },
    { name: 'partial', short: 'P', takesValue: false, summary: 'also take a segment that is still being received' },
    { name: 'gzip', short: 'z', takesValue: false, summary: 'compress with gzip on the way (deprecated)' },
    { name: 'bzip2', short: 'j', takesValue: false, summary: 'compress with bzip2 on the way (deprecated)' },
    { name: 'keep-compression', takesValue: false, summary: 'transfer the file as it is stored' },
    { name: 'test', short: 't', takesValue: false, summary: 'only test whether the backup host would send WAL' },
    { name: 'strict', takesValue: false, summary: 'end recovery with an error for every failure but a missing file' },
    {
      name: 'retry-time',
      takesValue: true,
      isNumber: true,
      metavar: 'SECONDS',
      summary: 'time for which a broken connection is tried again (default: 10; 120 with --strict)',
    },
  ],
};

const usualRetrySeconds = 10;
const strictRetrySeconds = 120;
/** Exit code for a destination that cannot be written: Barman's helper does not sleep then. */
const badDestination = 3;

/** `restore_command` (docs/reference/cli.md section 14): gives the exit code, 0 only when the file is in place whole. */
export async function runWalRestore(invoked: Invoked): Promise<number> {
  const attended = process.env[attendVariable];
  if (attended !== undefined) return await attendTo(invoked, attended);
  return await runHelper(invoked, walRestore, async (parsed) => {
    const form = formOf(parsed);
    if (parsed.options.has('test')) return await test(parsed);
    if (form === 'gzip' || form === 'bzip2') standardOutput.write(`WARNING: --${form} is deprecated, use --keep-compression\n`);
    const outcome = await restoreOrFail(parsed);
    const exitCode = outcome.kind === 'failed' ? tell(`ERROR: ${outcome.message}`, outcome.exitCode) : 0;
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

async function restoreOrFail(parsed: HelperArguments): Promise<RestoreOutcome> {
  const [, , walName = '', walDest = ''] = parsed.positionals;
  const isStrict = parsed.options.has('strict');
  const retrySeconds = Number(parsed.options.get('retry-time') ?? (isStrict ? strictRetrySeconds : usualRetrySeconds));
  try {
    return await restoreWal({
      walName,
      walDest,
      fetch: fetchOptions(parsed),
      retryMs: retrySeconds * 1000,
      dataFolder: process.cwd(),
      clock: systemClock,
    });
  } catch (error) {
    return { kind: 'failed', exitCode: isStrict ? recoveryMustStop : 2, message: messageOf(error) };
  }
}

/** The process in the background that the shell script asks: it has left the script behind, and says nothing. */
async function attendTo({ argv }: Invoked, folder: string): Promise<number> {
  const parsed = parseHelperArguments(argv, walRestore, 'pgcellar-wal-restore');
  const attendant = await attendantOptions(folder);
  if (attendant === undefined) return 1;
  await attend({ ...attendant, fetch: fetchOptions(parsed), systemid: await readClusterSystemId(attendant.dataFolder) });
  return 0;
}

function fetchOptions(parsed: HelperArguments): FetchOptions {
  return {
    remote: backupHostOf(parsed),
    serverName: parsed.positionals[1] ?? '',
    allowsPartial: parsed.options.has('partial'),
    form: formOf(parsed),
    isStrict: parsed.options.has('strict'),
    environment: environmentOfPrograms(),
  };
}

function formOf({ options }: HelperArguments): FetchOptions['form'] {
  const given = (['gzip', 'bzip2', 'keep-compression'] as const).filter((name) => options.has(name));
  if (given.length > 1) throw new OperatorError('usage', `--${given.join(' and --')} exclude each other`);
  const [form = 'plain'] = given;
  return form === 'keep-compression' ? 'keep' : form;
}
