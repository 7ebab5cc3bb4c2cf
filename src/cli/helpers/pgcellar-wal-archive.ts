import type { CompressionLevel } from '../../compression/codec.ts';
import { messageOf, OperatorError } from '../../shared/operator-error.ts';
import { attendArchiving } from '../../shipping/attend-archiving.ts';
import { type HelperArguments, type HelperDeclaration, parseHelperArguments } from '../../shipping/helper-arguments.ts';
import { type SendOptions, type SendOutcome, sendWal, testConnection } from '../../shipping/send-wal.ts';
import { cacheProblem, defaultCacheFolder, noteSentAhead, readyAfter, wasSentAhead } from '../../shipping/sent-ahead.ts';
import type { Invoked } from '../invoked.ts';
import { standardOutput } from '../standard-stream.ts';
import {
  attendantOptions,
  attendVariable,
  backupHostOf,
  commonOptions,
  environmentOfPrograms,
  runHelper,
  tell,
} from './helper-program.ts';

const compressions = ['gzip', 'bzip2', 'xz', 'snappy', 'zstd', 'lz4'] as const;

export const walArchive: HelperDeclaration = {
  summary: 'Send a WAL file to the backup host; to be used as archive_command',
  positionals: ['BARMAN_HOST', 'SERVER_NAME', 'WAL_PATH'],
  barmanOptions: [
    ...['[-h]', '[-V]', '[-U USER]', '[--port PORT]', '[-c CONFIG]', '[-t]', '[--md5]', '[-z]', '[-j]', '[--xz]', '[--snappy]'],
    ...['[--zstd]', '[--lz4]', '[--compression-level COMPRESSION_LEVEL]', '[-p PARALLEL]'],
    '[--prefetch-cache-dir PREFETCH_CACHE_DIR]',
  ],
  options: [
    ...commonOptions,
    { name: 'test', short: 't', takesValue: false, summary: 'only test whether the backup host would accept WAL' },
    { name: 'md5', takesValue: false, summary: 'MD5 instead of SHA-256' },
    { name: 'gzip', short: 'z', takesValue: false, summary: 'compress with gzip before sending' },
    { name: 'bzip2', short: 'j', takesValue: false, summary: 'compress with bzip2' },
    { name: 'xz', takesValue: false, summary: 'compress with xz' },
    { name: 'snappy', takesValue: false, summary: 'compress with snappy' },
    { name: 'zstd', takesValue: false, summary: 'compress with zstd' },
    { name: 'lz4', takesValue: false, summary: 'compress with lz4' },
    { name: 'compression-level', takesValue: true, metavar: 'LEVEL', summary: 'low, medium, high or a number' },
    {
      name: 'parallel',
      short: 'p',
      takesValue: true,
      isNumber: true,
      metavar: 'JOBS',
      summary: 'also send following segments that are ready',
    },
    { name: 'prefetch-cache-dir', takesValue: true, metavar: 'DIR', summary: 'folder for notes about files sent ahead' },
  ],
};

/** `archive_command` (docs/reference/cli.md section 13): gives the exit code, 0 only when the backup host has the file. */
export async function runWalArchive(invoked: Invoked): Promise<number> {
  const attended = process.env[attendVariable];
  if (attended !== undefined) return await attendTo(invoked, attended);
  return await runHelper(invoked, walArchive, async (parsed) => {
    const options = sendOptions(parsed);
    if (parsed.options.has('test')) {
      const { exitCode, message = '' } = await testConnection(options);
      standardOutput.write(`${message}\n`);
      return exitCode;
    }
    return await archive(options, { parsed, programName: invoked.programName });
  });
}

/** The process in the background that the shell script asks: it has left the script behind, and says nothing. */
async function attendTo({ argv }: Invoked, folder: string): Promise<number> {
  const options = sendOptions(parseHelperArguments(argv, walArchive, 'pgcellar-wal-archive'));
  const attendant = await attendantOptions(folder);
  if (attendant === undefined) return 1;
  await attendArchiving({ ...attendant, send: options });
  return 0;
}

interface Asked {
  readonly parsed: HelperArguments;
  readonly programName: string;
}

async function archive(options: SendOptions, { parsed, programName }: Asked): Promise<number> {
  const jobs = Number(parsed.options.get('parallel') ?? 0);
  if (jobs <= 1) return report(await sendWal(options), programName);
  const folder = parsed.options.get('prefetch-cache-dir') ?? defaultCacheFolder(options.remote, options.serverName);
  const problem = await cacheProblem(folder, process.getuid?.());
  if (problem !== undefined) {
    tell(`WARNING: nothing is sent ahead: ${problem}`, 0);
    return report(await sendWal(options), programName);
  }
  if (await wasSentAhead(folder, options)) return 0;
  return await archiveAhead(options, { folder, count: jobs - 1, programName });
}

interface Ahead {
  readonly folder: string;
  readonly count: number;
  readonly programName: string;
}

/** The file that PostgreSQL asked for decides about the exit code; those sent ahead count only as far as their row is unbroken. */
async function archiveAhead(options: SendOptions, { folder, count, programName }: Ahead): Promise<number> {
  const exitCode = report(await sendWal(options), programName);
  if (exitCode !== 0) return exitCode;
  const following = await readyAfter(options.walPath, count);
  if (following.length === 0) return 0;
  const outcomes = await Promise.all(following.map((walPath) => sendWal({ ...options, walPath })));
  const broken = outcomes.findIndex((outcome) => outcome.exitCode !== 0);
  const sent = broken === -1 ? following : following.slice(0, broken);
  if (broken !== -1) tell(`WARNING: sending ahead stopped: ${outcomes[broken]?.message ?? 'unknown reason'}`, 0);
  // the files are stored, whatever becomes of the note: without it they are sent once more
  return await noteSentAhead(folder, options, [options.walPath, ...sent]).then(
    () => 0,
    (error: unknown) => tell(`WARNING: the note of the files sent ahead could not be written: ${messageOf(error)}`, 0),
  );
}

function sendOptions(parsed: HelperArguments): SendOptions {
  const { positionals, options } = parsed;
  const [, serverName = '', walPath = ''] = positionals;
  const asked = [...options.keys()].findLast((name) => compressions.some((word) => word === name));
  const compression = asked === undefined ? undefined : { name: asked, level: levelOf(options.get('compression-level')) };
  const digest = options.has('md5') ? 'md5' : 'sha256';
  return { remote: backupHostOf(parsed), serverName, walPath, digest, compression, environment: environmentOfPrograms() };
}

function levelOf(text: string | undefined): CompressionLevel {
  if (text === undefined) return 'medium';
  if (text === 'low' || text === 'medium' || text === 'high') return text;
  if (/^[+-]?\d+$/.test(text)) return Number(text);
  throw new OperatorError('usage', `--compression-level takes low, medium, high or a number, not '${text}'`);
}

function report({ exitCode, message }: SendOutcome, programName: string): number {
  if (exitCode === 0) return 0;
  return tell(`ERROR: ${programName}: ${message ?? 'failed'}`, exitCode);
}
