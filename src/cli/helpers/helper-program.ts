import { closeSync, fstatSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Clock, systemClock } from '../../shared/clock.ts';
import type { Environment } from '../../shared/environment.ts';
import { linesOf, type Text } from '../../shared/messages.ts';
import { messageOf, OperatorError } from '../../shared/operator-error.ts';
import { shownLine } from '../../shared/shown-text.ts';
import type { BackupHost } from '../../shipping/backup-host.ts';
import {
  type HelperArguments,
  type HelperDeclaration,
  type HelperOption,
  helperHelp,
  parseHelperArguments,
} from '../../shipping/helper-arguments.ts';
import { openSpool, type Spool, spoolAt } from '../../shipping/spool.ts';
import { recoveryMustStop } from '../../wal/restore-status.ts';
import type { Invoked } from '../invoked.ts';
import { standardError, standardOutput } from '../standard-stream.ts';
import { versionLine } from '../version.ts';

/** Options that every helper has: about itself, and about the backup host. */
export const commonOptions: readonly HelperOption[] = [
  { name: 'help', short: 'h', takesValue: false, summary: 'show this help and exit' },
  { name: 'version', short: 'V', takesValue: false, summary: 'show the version and exit' },
  { name: 'user', short: 'U', takesValue: true, summary: 'user on the backup host (default: barman)' },
  { name: 'port', takesValue: true, isNumber: true, summary: 'port of ssh' },
  { name: 'config', short: 'c', takesValue: true, metavar: 'FILE', summary: 'configuration file on the backup host' },
  { name: 'program', takesValue: true, metavar: 'NAME', summary: 'program on the backup host (default: barman)' },
];

const usageFailure = 2;

/** Parses the command line of a helper and does its work, unless only words were asked for; gives the exit code. */
export async function runHelper(
  { programName, argv }: Invoked,
  declaration: HelperDeclaration,
  work: (parsed: HelperArguments) => Promise<number>,
): Promise<number> {
  try {
    const parsed = parseHelperArguments(argv, declaration, programName);
    if (parsed.options.has('version')) return say(versionLine(programName));
    if (parsed.options.has('help')) return say(helperHelp(declaration, programName).trimEnd());
    return await work(parsed);
  } catch (error) {
    const isUsage = error instanceof OperatorError && error.code === 'usage';
    const isStrict = argv.includes('--strict') && declaration.options.some(({ name }) => name === 'strict');
    return tell(isUsage ? error.lines : `ERROR: ${messageOf(error)}`, isStrict ? recoveryMustStop : usageFailure);
  }
}

/** Where the backup host is, from the first positional and the common options. */
export function backupHostOf({ positionals: [host = ''], options }: HelperArguments): BackupHost {
  const port = options.get('port');
  return {
    user: options.get('user') ?? 'barman',
    host,
    port: port === undefined ? undefined : Number(port),
    configPath: options.get('config'),
    program: options.get('program') ?? 'barman',
  };
}

/** Set by the shell scripts for the process that answers them: the folder of its spool. */
export const attendVariable = 'PGCELLAR_ATTEND';

/** Without what is meant for this process alone. */
export function environmentOfPrograms(): Environment {
  return { ...process.env, [attendVariable]: undefined };
}

/** Where an attendant works; undefined when somebody else has the folder. Whoever wants to unmount the data folder need not wait for it. */
export async function attendantOptions(
  folder: string,
): Promise<{ readonly spool: Spool; readonly dataFolder: string; readonly clock: Clock } | undefined> {
  const spool = spoolAt(resolve(folder));
  if (!(await openSpool(spool, process.getuid?.()))) return undefined;
  const dataFolder = process.cwd();
  process.chdir('/');
  closeInheritedFiles();
  return { spool, dataFolder, clock: systemClock };
}

/** Servers before PostgreSQL 16 leave their files open in what they start: one that they remove would keep its space for hours. */
function closeInheritedFiles(): void {
  const lastOfOurs = 4; // standard streams and the two pipes
  for (const descriptor of readdirSync('/proc/self/fd').map(Number)) {
    if (descriptor > lastOfOurs && isOpenFile(descriptor)) closeSync(descriptor);
  }
}

function isOpenFile(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isFile();
  } catch {
    return false; // that was the folder that was just read
  }
}

/** Writes a line to standard error and gives the exit code. */
export function tell(text: Text, exitCode: number): number {
  standardError.write(`${linesOf(text).map(shownLine).join('\n')}\n`);
  return exitCode;
}

function say(text: string): number {
  standardOutput.write(`${text}\n`);
  return 0;
}
