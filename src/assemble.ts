import { setMaxListeners } from 'node:events';
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import type { ServerLayout } from './catalog/server-layout.ts';
import { becomeUser, handedConfiguration } from './cli/become-user.ts';
import type { GlobalArguments } from './cli/parse-global-options.ts';
import { standardError, standardOutput } from './cli/standard-stream.ts';
import { clusterSourceOf } from './cluster/cluster-source.ts';
import { readRememberedCluster } from './cluster/remembered-cluster.ts';
import { isFoundByItself } from './config/find-configuration-file.ts';
import {
  type ConfigurationFiles,
  type ConfigurationRequest,
  loadConfiguration,
  loadMainConfiguration,
  type MainConfiguration,
  readConfigurationFiles,
} from './config/load-configuration.ts';
import type { Server } from './config/server.ts';
import type { Configuration, ServerConfig } from './config/server-config.ts';
import type { Colours } from './output/colours.ts';
import { ConsoleWriter } from './output/console-writer.ts';
import { JsonWriter } from './output/json-writer.ts';
import { ProgressLine } from './output/progress-line.ts';
import { tellFailure, type Writer } from './output/writer.ts';
import { systemClock } from './shared/clock.ts';
import type { Context } from './shared/context.ts';
import type { Environment } from './shared/environment.ts';
import type { Log } from './shared/log.ts';
import { openLogFile } from './shared/log-file.ts';
import { expectedFailureOf, OperatorError } from './shared/operator-error.ts';
import { type Progress, silentProgress } from './shared/progress.ts';
import { type Voice, voiceOf } from './shared/voice.ts';

/** Everything one run of a command works with. */
export interface Application {
  readonly programName: string;
  readonly voice: Voice;
  readonly configuration: Configuration;
  /** Every configured server, sorted by name. */
  readonly servers: readonly Server[];
  /** A server as the configuration has it by now. @throws OperatorError `configuration-invalid`, `file-unreadable` or `unknown-server` */
  reloadServer(name: string): Server;
  readonly context: Context;
  readonly writer: Writer;
  readonly colours: Colours;
  /** Absolute path of the main configuration file. */
  readonly configurationPath: string;
  /** Absolute path of the program. */
  readonly script: string;
  /** The beginning of a command line of ours, for work in the background. */
  readonly self: readonly string[];
  /** The beginning of a command line of ours as the operator would type it. */
  readonly typed: readonly string[];
  readonly format: 'console' | 'json';
  /** Text goes to a terminal, and not as JSON. */
  readonly isInteractive: boolean;
  readonly stdout: NodeJS.WritableStream;
  /** Of programs that are no server's. */
  readonly environment: Environment;
  /** Reads the configuration anew, as it is on disk now. */
  reload(): { readonly configuration: Configuration; readonly servers: readonly Server[] };
  /** Reads where each option stands now. */
  configurationFiles(): ConfigurationFiles;
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
  /** The command ends in its own way when it is told to stop; others end at once. */
  readonly endsGracefully: boolean;
  /** SIGHUP does not end the command. */
  readonly listensToHangup: boolean;
  /** Errors and warnings count and are logged, and are not shown. */
  readonly isSilent: boolean;
  /** What is of no server is only logged. */
  readonly isForPostgres: boolean;
}

/**
 * Reads the configuration and builds what commands need, in the order of docs/reference/cli.md section 1.2: configuration file, user, log, writer,
 * the rest of the configuration.
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
  const log = openLogFile({
    path: main.global.log_file,
    format: main.global.log_format,
    level: globals.logLevel ?? main.global.log_level,
    clock: systemClock,
    pid: process.pid,
    stderr: standardError,
  });
  const progress = progressFor(globals);
  const voice = voiceOf(programName);
  const writer = writerFor({ globals, log, progress, voice });
  if (isSilent) writer.silence();
  const configuration = loadConfiguration(main, home, voice);
  for (const warning of configuration.globalWarnings) {
    if (isForPostgres) log.warning(warning);
    else writer.warning(warning);
  }
  for (const warning of configuration.globalLogWarnings) log.warning(warning);
  const signal = listenToSignals({ endsGracefully, listensToHangup, isToldTwice: places.handed !== undefined });
  const environment: Environment = { ...process.env, HOME: home };
  const context: Context = { clock: systemClock, log, messages: writer, progress, signal };
  const configurationPath = resolve(configuration.path); // work in the background runs in another folder
  // a unit of systemd calls the program without -c
  const unitPrefix = isFoundByItself(configurationPath, home) ? nameOfUnits(programName) : undefined;
  const serversOf = (loaded: Configuration): readonly Server[] =>
    loaded.servers.map((config) => serverFor(config, { configuration: loaded, configurationPath, environment, unitPrefix }));
  let exitCode: number | undefined;
  let leastExitCode = 0;
  return {
    programName,
    voice,
    configuration,
    servers: serversOf(configuration),
    reloadServer: (name) => {
      const server = serversOf(loadConfiguration(mainAgain(main), home, voice)).find(({ config }) => config.name === name);
      if (server !== undefined) return server;
      throw new OperatorError('unknown-server', `Unknown server '${name}'`, { hint: 'it is no longer in the configuration' });
    },
    context,
    writer,
    colours: writer.colours,
    self: [process.execPath, script, '-c', configurationPath, '-q'],
    typed: globals.configPath === undefined ? [programName] : [programName, '-c', globals.configPath],
    format: globals.format,
    isInteractive: standardOutput.isTerminal && globals.format === 'console',
    configurationPath,
    script,
    get stdout() {
      return standardOutput.stream;
    },
    environment,
    reload: () => {
      const loaded = loadConfiguration(mainAgain(main), home, voice);
      return { configuration: loaded, servers: serversOf(loaded) };
    },
    configurationFiles: () => readConfigurationFiles(mainAgain(main), home),
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

/** The main file as it is now; where only root may read it, nobody of us can have changed it. */
function mainAgain(main: MainConfiguration): MainConfiguration {
  try {
    return loadMainConfiguration({ explicitPath: main.path, environment: {}, homeFolder: homedir() });
  } catch (error) {
    if (expectedFailureOf(error)?.code === 'file-unreadable') return main;
    throw error;
  }
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

interface ServerParts {
  readonly configuration: Configuration;
  readonly configurationPath: string;
  readonly environment: Environment;
  /** Of the units of systemd that receivers may run as. */
  readonly unitPrefix?: string | undefined;
}

/** The names of servers that are the same in the name of a unit. */
const unitSafe = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

function nameOfUnits(programName: string): string {
  return programName === 'barman' ? 'barman' : 'pgcellar';
}

/** One server of a configuration with its place on disk and what programs are run with. */
export function serverFor(
  config: ServerConfig,
  { configuration: { global }, configurationPath, environment, unitPrefix }: ServerParts,
): Server {
  const { options } = config;
  const ownPath = environment['PATH'] ?? '/usr/local/bin:/usr/bin:/bin';
  const programPath = options.path_prefix === undefined ? ownPath : `${options.path_prefix}:${ownPath}`;
  const layout: ServerLayout = {
    serverName: config.name,
    root: options.backup_directory,
    base: options.basebackups_directory,
    wals: options.wals_directory,
    xlogdb: options.xlogdb_directory,
    incoming: options.incoming_wals_directory,
    streaming: options.streaming_wals_directory,
    errors: options.errors_directory,
    locks: global.barman_lock_directory,
  };
  const receiverUnit =
    unitPrefix === undefined || !unitSafe.test(config.name) ? undefined : `${unitPrefix}-receive-wal@${config.name}.service`;
  const server = {
    config,
    layout,
    configurationPath,
    programPath,
    environment: { ...environment, PATH: programPath },
    receiverUnit,
  };
  return { ...server, node: followedNode(server) };
}

/** The node of its cluster that the receiver of a server followed last: commands go there first. */
function followedNode(server: Pick<Server, 'config' | 'environment' | 'layout'>): Server['node'] {
  if (clusterSourceOf(server) === 'off') return undefined;
  const { followed } = readRememberedCluster(server.layout);
  return followed === undefined ? undefined : { entry: followed.entry, isOnly: false };
}

/**
 * SIGINT and SIGTERM abort what runs. A command that does not end in its own way ends at once: whatever it was doing, the next run
 * repairs. The second signal ends any command; one that comes at once is the first again where our parent passes on what both are told.
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
  const endAtOnce = (): void => {
    standardError.write('ERROR: interrupted\n');
    process.exit(1);
  };
  if (endsGracefully) {
    const listen = isToldTwice ? listenOnce : process.once.bind(process);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) listen(signal, stop);
    if (!listensToHangup) listen('SIGHUP', stop);
  } else {
    process.once('SIGINT', endAtOnce);
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
