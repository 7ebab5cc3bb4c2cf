import type { CompressionLevel } from '../../compression/codec.ts';
import { messageOf, OperatorError } from '../../shared/operator-error.ts';
import {
  type HelperArguments,
  type HelperDeclaration,
  helperHelp,
  parseHelperArguments,
} from '../../shipping/helper-arguments.ts';
import type { RemoteHost } from '../../shipping/remote-host.ts';
import { type SendOptions, type SendOutcome, sendWal, testConnection } from '../../shipping/send-wal.ts';
import { cacheProblem, defaultCacheFolder, noteSentAhead, readyAfter, wasSentAhead } from '../../shipping/sent-ahead.ts';
import type { Invoked } from '../invoked.ts';
import { versionLine } from '../version.ts';

const compressions = ['gzip', 'bzip2', 'xz', 'snappy', 'zstd', 'lz4'] as const;

export const walArchive: HelperDeclaration = {
  summary: 'Send a WAL file to the backup host; to be used as archive_command',
  positionals: ['BARMAN_HOST', 'SERVER_NAME', 'WAL_PATH'],
  options: [
    { name: 'help', short: 'h', takesValue: false, summary: 'show this help and exit' },
    { name: 'version', short: 'V', takesValue: false, summary: 'show the version and exit' },
    { name: 'user', short: 'U', takesValue: true, summary: 'user on the backup host (default: barman)' },
    { name: 'port', takesValue: true, isNumber: true, summary: 'port of ssh' },
    { name: 'config', short: 'c', takesValue: true, metavar: 'FILE', summary: 'configuration file on the backup host' },
    { name: 'test', short: 't', takesValue: false, summary: 'only tell whether the backup host would take WAL' },
    { name: 'md5', takesValue: false, summary: 'MD5 instead of SHA-256' },
    { name: 'gzip', short: 'z', takesValue: false, summary: 'compress with gzip before sending' },
    { name: 'bzip2', short: 'j', takesValue: false, summary: 'compress with bzip2' },
    { name: 'xz', takesValue: false, summary: 'compress with xz' },
    { name: 'snappy', takesValue: false, summary: 'compress with snappy (not available yet)' },
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
    { name: 'prefetch-cache-dir', takesValue: true, metavar: 'DIR', summary: 'where to note what was sent ahead' },
    { name: 'program', takesValue: true, metavar: 'NAME', summary: 'program on the backup host (default: barman)' },
  ],
};

/** `archive_command` (cli.md section 13): gives the exit code, 0 only when the backup host has the file. */
export async function runWalArchive({ programName, argv }: Invoked): Promise<number> {
  let parsed: HelperArguments;
  try {
    parsed = parseHelperArguments(argv, walArchive, programName);
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return tell(error.message, 2);
  }
  if (parsed.options.has('version')) {
    process.stdout.write(`${versionLine(programName)}\n`);
    return 0;
  }
  if (parsed.options.has('help')) {
    process.stdout.write(helperHelp(walArchive, programName));
    return 0;
  }
  try {
    return await archive(parsed, programName);
  } catch (error) {
    return tell(`ERROR: ${messageOf(error)}`, 2);
  }
}

async function archive(parsed: HelperArguments, programName: string): Promise<number> {
  const options = sendOptions(parsed);
  if (parsed.options.has('test')) {
    const { exitCode, message = '' } = await testConnection(options);
    process.stdout.write(`${message}\n`);
    return exitCode;
  }
  const jobs = Number(parsed.options.get('parallel') ?? 0);
  const folder = parsed.options.get('prefetch-cache-dir') ?? defaultCacheFolder(options.remote, options.serverName);
  const problem = jobs > 1 ? await cacheProblem(folder, process.getuid?.()) : 'not asked for';
  if (jobs > 1 && problem !== undefined) process.stderr.write(`WARNING: nothing is sent ahead: ${problem}\n`);
  if (problem !== undefined) return report(await sendWal(options), programName);
  if (await wasSentAhead(folder, options.walPath)) return 0;
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
  if (broken !== -1) process.stderr.write(`WARNING: sending ahead stopped: ${outcomes[broken]?.message ?? 'unknown reason'}\n`);
  await noteSentAhead(folder, [options.walPath, ...sent]);
  return 0;
}

function sendOptions({ positionals: [host = '', serverName = '', walPath = ''], options }: HelperArguments): SendOptions {
  const port = options.get('port');
  const remote: RemoteHost = {
    user: options.get('user') ?? 'barman',
    host,
    port: port === undefined ? undefined : Number(port),
    configPath: options.get('config'),
    program: options.get('program') ?? 'barman',
  };
  const asked = [...options.keys()].findLast((name) => compressions.some((word) => word === name));
  const compression = asked === undefined ? undefined : { name: asked, level: levelOf(options.get('compression-level')) };
  const digest = options.has('md5') ? 'md5' : 'sha256';
  return { remote, serverName, walPath, digest, compression, environment: process.env };
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

function tell(text: string, exitCode: number): number {
  process.stderr.write(`${text}\n`);
  return exitCode;
}
