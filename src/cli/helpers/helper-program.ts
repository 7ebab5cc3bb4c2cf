import { linesOf, type Text } from '../../shared/messages.ts';
import { messageOf, OperatorError } from '../../shared/operator-error.ts';
import { shownLine } from '../../shared/shown-text.ts';
import {
  type HelperArguments,
  type HelperDeclaration,
  type HelperOption,
  helperHelp,
  parseHelperArguments,
} from '../../shipping/helper-arguments.ts';
import type { RemoteHost } from '../../shipping/remote-host.ts';
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
export function remoteHostOf({ positionals: [host = ''], options }: HelperArguments): RemoteHost {
  const port = options.get('port');
  return {
    user: options.get('user') ?? 'barman',
    host,
    port: port === undefined ? undefined : Number(port),
    configPath: options.get('config'),
    program: options.get('program') ?? 'barman',
  };
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
