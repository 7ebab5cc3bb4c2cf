import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { isFoundByItself } from '../config/find-configuration-file.ts';
import {
  type ConfigurationFiles,
  loadConfiguration,
  loadMainConfiguration,
  type MainConfiguration,
  readConfigurationFiles,
} from '../config/load-configuration.ts';
import type { Server } from '../config/server.ts';
import type { Configuration } from '../config/server-config.ts';
import type { Clock } from '../shared/clock.ts';
import type { Environment } from '../shared/environment.ts';
import type { Log } from '../shared/log.ts';
import { openLogFile } from '../shared/log-file.ts';
import { expectedFailureOf, OperatorError } from '../shared/operator-error.ts';
import type { Voice } from '../shared/voice.ts';
import { serverFor } from './server-for.ts';

/** A configured installation: what one command works with, and what a process that runs for long can read anew. */
export interface Installation {
  readonly log: Log;
  readonly configuration: Configuration;
  /** Every configured server, sorted by name. */
  readonly servers: readonly Server[];
  /** Absolute path of the main configuration file. */
  readonly configurationPath: string;
  /** Of programs that are no server's. */
  readonly environment: Environment;
  /** Reads the configuration anew, as it is on disk now. */
  reload(): { readonly configuration: Configuration; readonly servers: readonly Server[] };
  /** A server as the configuration has it by now. @throws OperatorError `configuration-invalid`, `file-unreadable` or `unknown-server` */
  reloadServer(name: string): Server;
  /** Reads where each option stands now. */
  configurationFiles(): ConfigurationFiles;
}

interface OpenOptions {
  readonly main: MainConfiguration;
  /** Home folder of the user that we run as. */
  readonly home: string;
  readonly voice: Voice;
  readonly environment: Environment;
  readonly clock: Clock;
  /** Instead of the configured one. */
  readonly logLevel: string | undefined;
  /** Takes log records when no file does. */
  readonly stderr: { write(text: string): unknown };
}

/**
 * Opens the log and reads the configuration, as the user whom its main file names.
 * @throws OperatorError `configuration-invalid` or `file-unreadable`
 */
export function openInstallation({ main, home, voice, clock, logLevel, stderr, ...options }: OpenOptions): Installation {
  const log = openLogFile({
    path: main.global.log_file,
    format: main.global.log_format,
    level: logLevel ?? main.global.log_level,
    clock,
    pid: process.pid,
    stderr,
  });
  const configuration = loadConfiguration(main, home, voice);
  const configurationPath = resolve(configuration.path); // work in the background runs in another folder
  const environment: Environment = { ...options.environment, HOME: home };
  // a unit of systemd calls the program without -c
  const unitPrefix = isFoundByItself(configurationPath, home) ? (voice === 'barman' ? 'barman' : 'pgcellar') : undefined;
  const serversOf = (loaded: Configuration): readonly Server[] =>
    loaded.servers.map((config) => serverFor(config, { configuration: loaded, configurationPath, environment, unitPrefix }));
  const reload = () => {
    const loaded = loadConfiguration(mainAgain(main), home, voice);
    return { configuration: loaded, servers: serversOf(loaded) };
  };
  return {
    log,
    configuration,
    servers: serversOf(configuration),
    configurationPath,
    environment,
    reload,
    reloadServer: (name) => {
      const server = reload().servers.find(({ config }) => config.name === name);
      if (server !== undefined) return server;
      throw new OperatorError('unknown-server', `Unknown server '${name}'`, { hint: 'it is no longer in the configuration' });
    },
    configurationFiles: () => readConfigurationFiles(mainAgain(main), home),
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
