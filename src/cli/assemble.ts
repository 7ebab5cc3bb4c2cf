import { setMaxListeners } from 'node:events';
import { homedir } from 'node:os';
import type { Readable } from 'node:stream';
import { type ConfigurationRequest, loadMainConfiguration } from '../config/load-configuration.ts';
import { type Installation, openInstallation } from '../installation/open-installation.ts';
import type { Colours } from '../output/colours.ts';
import { ConsoleWriter } from '../output/console-writer.ts';
import { JsonWriter } from '../output/json-writer.ts';
import { ProgressLine } from '../output/progress-line.ts';
import { tellFailure, type Writer } from '../output/writer.ts';
import { systemClock } from '../shared/clock.ts';
import type { Context } from '../shared/context.ts';
import type { Log } from '../shared/log.ts';
import { expectedFailureOf, OperatorError } from '../shared/operator-error.ts';
import { type Progress, silentProgress } from '../shared/progress.ts';
import { type Voice, voiceOf } from '../shared/voice.ts';
import { becomeUser, handedConfiguration } from './become-user.ts';
import type { GlobalArguments } from './parse-global-options.ts';
import { standardError, standardOutput } from './standard-stream.ts';

/** Everything one run of a command works with: an installation, and what its command line adds. */
export interface Application extends Omit<Installation, 'log'> {
  readonly programName: string;
  readonly voice: Voice;
  readonly context: Context;
  readonly writer: Writer;
  readonly colours: Colours;
  /** Absolute path of the program. */
  readonly script: string;
  /** The beginning of a command line of ours, for work in the background. */
  readonly self: readonly string[];
  /** The beginning of a command line of ours as the operator would type it. */
  readonly typed: readonly string[];
  readonly format: 'console' | 'json';
  /** Width of the terminal that text goes to. */
  readonly columns: number | undefined;
  /** Text goes to a terminal, and not as JSON. */
  readonly isInteractive: boolean;
  readonly stdout: NodeJS.WritableStream;
  /** Tells every SIGHUP, for a command that listens to it. */
  onHangup(listener: () => void): void;
  stdin(): Readable;
  /** Writes text as it is, whatever the format. */
  printRaw(text: string): void;
  tellFailure(error: unknown): void;
  /** Ends with at least this exit code. */
  failWith(exitCode: number): void;
  /** Ends with exactly this exit code. */
  endWith(exitCode: number): void;
  /** Prints what is left and gives the exit code. */
  finish(): number;
}

/** Where a configuration is looked for; asked once. */
export function placesFor({ configPath }: Pick<GlobalArguments, 'configPath'>): ConfigurationRequest {
  return { handed: handedConfiguration(), explicitPath: configPath, environment: process.env, homeFolder: homedir() };
}

interface AssembleOptions {
  readonly programName: string;
  readonly script: string;
  readonly globals: GlobalArguments;
  readonly places: ConfigurationRequest;
  /** The command ends in its own way when it is told to stop; others end immediately. */
  readonly endsGracefully: boolean;
  /** SIGHUP does not end the command. */
  readonly listensToHangup: boolean;
  /** Errors and warnings count and are logged, and are not shown. */
  readonly isSilent: boolean;
  /** A message that belongs to no server is only logged. */
  readonly isForPostgres: boolean;
}

/**
 * Reads the configuration and builds what commands need, in the order of docs/reference/cli.md section 1.2: configuration file, user, log, the
 * rest of the configuration, writer.
 * @throws OperatorError `configuration-missing`, `configuration-invalid`, `wrong-user` or `file-unreadable`
 */
export async function assemble({
  programName,
  script,
  globals,
  places,
  endsGracefully,
  listensToHangup,
  isSilent,
  isForPostgres,
}: AssembleOptions): Promise<Application> {
  const main = loadMainConfiguration(places);
  const { home } = await becomeUser(main.global.barman_user, { configuration: main });
  const voice = voiceOf(programName);
  const { log, ...installation } = openInstallation({
    main,
    home,
    voice,
    environment: process.env,
    clock: systemClock,
    logLevel: globals.logLevel,
    stderr: standardError,
  });
  const { configuration, configurationPath } = installation;
  const progress = progressFor(globals);
  const writer = writerFor({ globals, log, progress, voice });
  if (isSilent) writer.silence();
  for (const warning of configuration.globalWarnings) {
    if (isForPostgres) log.warning(warning);
    else writer.warning(warning);
  }
  for (const warning of configuration.globalLogWarnings) log.warning(warning);
  const signal = listenToSignals({ endsGracefully, listensToHangup, isToldTwice: places.handed !== undefined });
  const context: Context = { clock: systemClock, log, messages: writer, progress, signal };
  let exitCode: number | undefined;
  let leastExitCode = 0;
  return {
    ...installation,
    programName,
    voice,
    context,
    writer,
    colours: writer.colours,
    self: [process.execPath, script, '-c', configurationPath, '-q'],
    typed: globals.configPath === undefined ? [programName] : [programName, '-c', globals.configPath],
    format: globals.format,
    columns: standardOutput.isTerminal ? standardOutput.stream.columns : undefined,
    isInteractive: standardOutput.isTerminal && globals.format === 'console',
    script,
    get stdout() {
      return standardOutput.stream;
    },
    onHangup: (listener) => {
      process.on('SIGHUP', listener);
    },
    stdin: () => process.stdin,
    printRaw: (text) => {
      standardOutput.write(text);
    },
    tellFailure: (error) => {
      const failure = expectedFailureOf(error);
      tellFailure(writer, failure ?? error, log);
      leastExitCode = Math.max(leastExitCode, failure?.exitCode ?? 1);
    },
    failWith: (code) => {
      leastExitCode = Math.max(leastExitCode, code);
    },
    endWith: (code) => {
      exitCode = code;
    },
    finish: () => {
      writer.finish();
      return exitCode ?? Math.max(leastExitCode, writer.hasFailed ? 1 : 0);
    },
  };
}

function progressFor({ isQuiet, format }: GlobalArguments): Progress {
  if (isQuiet || format === 'json' || !standardError.isTerminal) return silentProgress;
  return new ProgressLine({ terminal: standardError.stream, clock: systemClock });
}

interface WriterOptions {
  readonly globals: GlobalArguments;
  readonly log: Log;
  readonly progress: Progress;
  readonly voice: Voice;
}

function writerFor({ globals, log, progress, voice }: WriterOptions): Writer {
  const { format, isQuiet, isDebug, colour } = globals;
  if (format === 'json') return new JsonWriter({ voice, stdout: standardOutput, log, isQuiet, isDebug });
  const areTerminals = standardOutput.isTerminal && standardError.isTerminal;
  return new ConsoleWriter({
    voice,
    stdout: standardOutput,
    stderr: standardError,
    log,
    hasColour: colour === 'always' || (colour === 'auto' && areTerminals && (process.env['NO_COLOR'] ?? '') === ''),
    isQuiet,
    isDebug,
    beforeWriting: () => {
      if (progress instanceof ProgressLine) progress.hide();
    },
  });
}

/**
 * SIGINT and SIGTERM abort what runs. A command that does not end in its own way ends immediately: whatever it was doing, the next run
 * repairs. The second signal ends any command; one that follows immediately is the first again where our parent passes on what both are told.
 */
function listenToSignals({
  endsGracefully,
  listensToHangup,
  isToldTwice,
}: Pick<AssembleOptions, 'endsGracefully' | 'listensToHangup'> & { readonly isToldTwice: boolean }): AbortSignal {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal); // every server that is worked on listens: Node takes more than ten for a leak
  const stop = (): void => {
    controller.abort(new OperatorError('interrupted', 'interrupted by a signal'));
  };
  const endImmediately = (): void => {
    standardError.write('ERROR: interrupted\n');
    process.exit(1);
  };
  if (endsGracefully) {
    const listen = isToldTwice ? listenOnce : process.once.bind(process);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) listen(signal, stop);
    if (!listensToHangup) listen('SIGHUP', stop);
  } else {
    process.once('SIGINT', endImmediately);
  }
  return controller.signal;
}

const sameSignalMs = 300;

function listenOnce(signal: NodeJS.Signals, listener: () => void): void {
  const ignore = (): void => undefined;
  process.once(signal, () => {
    process.on(signal, ignore);
    setTimeout(() => process.off(signal, ignore), sameSignalMs).unref();
    listener();
  });
}
