import type { Server } from '../config/server.ts';
import type { Context } from '../shared/context.ts';
import { nearestWord } from '../shared/nearest-word.ts';
import { expectedFailureOf, OperatorError } from '../shared/operator-error.ts';
import { shownLine } from '../shared/shown-text.ts';
import { stackOf } from '../shared/stack-of.ts';
import { voiceOf } from '../shared/voice.ts';
import { recoveryMustStop } from '../wal/restore-status.ts';
import { allCommands, findCommand, laterCommands } from './all-commands.ts';
import { type Application, assemble, placesFor } from './assemble.ts';
import { barmanUnknownVerb } from './barman-usage.ts';
import type { CommandDeclaration } from './command.ts';
import { HelpWanted, helpOf, parseArguments } from './parse-arguments.ts';
import { type GlobalArguments, globalUsage } from './parse-global-options.ts';
import { programHelp } from './program-help.ts';
import { selectServers } from './select-servers.ts';
import { standardError, standardOutput } from './standard-stream.ts';

interface CommandLine {
  readonly programName: string;
  readonly script: string;
  readonly globals: GlobalArguments;
}

/** Runs a command line whose global options are read; gives the exit code. @throws OperatorError for what comes before the command runs */
export async function runCommandLine({ programName, script, globals }: CommandLine): Promise<number> {
  if (globals.asksFor === 'help') return say(await programHelp(programName));
  const { verb } = globals;
  const [asked] = globals.words;
  if (verb === 'help' && asked !== undefined) return say(await helpOfVerb(asked, programName));
  const declaration = await declarationOf(verb, programName);
  if (declaration === undefined) return await helpWithoutVerb({ programName, script, globals });
  const parsed = parseArguments(globals.words, declaration, programName);
  if (parsed instanceof HelpWanted) return say(parsed.text);
  const isSilent = declaration.silencedBy !== undefined && parsed.options.flag(declaration.silencedBy);
  const endsGracefully = declaration.endsGracefully ?? false;
  const isForPostgres = declaration.isForPostgres ?? false;
  const isStrict = parsed.options.flag('strict');
  const failures: unknown[] = [];
  try {
    const places = placesFor(globals);
    const early = {
      ...parsed,
      programName,
      commands: allCommands,
      places,
      print: (text: string): void => {
        standardOutput.write(text);
      },
    };
    if (declaration.runEarly !== undefined) {
      await declaration.runEarly(early);
      return 0;
    }
    await declaration.beforeConfiguration?.(early);
    const listensToHangup = declaration.listensToHangup ?? false;
    const application = await assemble({
      programName,
      script,
      globals,
      places,
      endsGracefully,
      listensToHangup,
      isSilent,
      isForPostgres,
    });
    try {
      await run(application, declaration, parsed);
    } catch (error) {
      failures.push(error);
      application.tellFailure(error);
    }
    return strictly(application.finish(), isStrict, failures);
  } catch (error) {
    return strictly(tellUsageError(error, programName), isStrict, [error]);
  }
}

/** As `barman`, help asks for a configuration that can be read (docs/reference/cli.md section 1.1); who has none yet needs help most. */
async function helpWithoutVerb({ programName, script, globals }: CommandLine): Promise<number> {
  if (programName === 'barman') {
    const plain = { endsGracefully: false, listensToHangup: false, isSilent: false, isForPostgres: false };
    await assemble({ programName, script, globals, places: placesFor(globals), ...plain });
  }
  return say(await programHelp(programName));
}

/**
 * With `--strict`, only a file that is surely not there has an exit code up to 125, which PostgreSQL takes for the end of the archive;
 * any other failure stops it (docs/reference/clients.md section 7.1).
 */
function strictly(exitCode: number, isStrict: boolean, failures: readonly unknown[]): number {
  if (!isStrict || exitCode === 0) return exitCode;
  const isAbsent = failures.length > 0 && failures.every((error) => expectedFailureOf(error)?.code === 'wal-not-found');
  return isAbsent ? exitCode : recoveryMustStop;
}

/** Tells what went wrong before there was an application to tell it, always as console text. */
export function tellUsageError(error: unknown, programName: string): number {
  const failure = expectedFailureOf(error);
  if (failure === undefined) {
    standardError.write(`EXCEPTION: ${stackOf(error)}\n`);
    return 1;
  }
  const { code, lines, hint, exitCode, asBarman } = failure;
  const isBarman = voiceOf(programName) === 'barman';
  if (isBarman && typeof asBarman === 'string') {
    standardError.write(`${shownLine(asBarman)}\n`);
    return exitCode;
  }
  const told = lines.map(shownLine).join('\n');
  const advice = hint === undefined || isBarman ? '' : `HINT: ${shownLine(hint)}\n`;
  standardError.write(`${code === 'usage' ? '' : 'ERROR: '}${told}\n${advice}`);
  return exitCode;
}

/** `help VERB`. @throws OperatorError as for the verb itself */
async function helpOfVerb(verb: string, programName: string): Promise<string> {
  const declaration = await declarationOf(verb, programName);
  return declaration === undefined ? await programHelp(programName) : helpOf(declaration, programName);
}

/** Undefined for no verb and `help`. */
async function declarationOf(verb: string | undefined, programName: string): Promise<CommandDeclaration | undefined> {
  if (verb === undefined || verb === 'help') return undefined;
  const listed = findCommand(verb);
  if (listed !== undefined) return await listed.load();
  if (laterCommands.includes(verb)) {
    throw new OperatorError('not-available-yet', `${verb} is not available yet in pgcellar 0.1.0`, {
      hint: 'Barman can do it meanwhile: it works on the same configuration and the same home',
    });
  }
  const meant = nearestWord(verb, [...allCommands.flatMap(({ name, aliases }) => [name, ...aliases]), ...laterCommands]);
  const mistake =
    voiceOf(programName) === 'barman'
      ? barmanUnknownVerb(verb)
      : `'${verb}' is not a command; ${meant === undefined ? '' : `did you mean '${meant}'? `}'${programName} --help' lists them`;
  throw new OperatorError('usage', [...globalUsage(programName).split('\n'), `${programName}: error: ${mistake}`]);
}

async function run(
  application: Application,
  declaration: CommandDeclaration,
  { options, positionals }: Exclude<ReturnType<typeof parseArguments>, HelpWanted>,
): Promise<void> {
  const { globalProblems } = application.configuration;
  if (globalProblems.length > 0 && declaration.runsDespiteGlobalProblems !== true) {
    for (const problem of globalProblems) application.context.messages.error(problem);
    if (declaration.silencedBy === undefined || !options.flag(declaration.silencedBy)) return;
  }
  declaration.judgeOptions?.(options);
  const count = declaration.servers === 'none' ? 0 : declaration.servers === 'one' ? 1 : positionals.length;
  const names = positionals.slice(0, count);
  // a command without servers is about all of them
  const concerned = count === 0 || names.includes('all') ? application.servers : application.servers.filter(isNamedIn(names));
  tellWarnings(concerned, application.context);
  const hasServers = count > 0 && globalProblems.length === 0;
  const servers = hasServers ? selectServers(names, application.servers, declaration, application.context.messages) : [];
  await declaration.run?.({ application, servers, positionals: positionals.slice(count), options });
}

function isNamedIn(names: readonly string[]): (server: Server) => boolean {
  return ({ config }) => names.includes(config.name);
}

function tellWarnings(servers: readonly Server[], { messages, log }: Context): void {
  for (const { config } of servers) {
    for (const warning of config.warnings) messages.warning(warning);
    for (const warning of config.logWarnings) log.warning(warning);
  }
  for (const { config } of servers) for (const warning of config.assumptions) messages.warning(warning);
}

function say(text: string): number {
  standardOutput.write(text.endsWith('\n') ? text : `${text}\n`);
  return 0;
}
