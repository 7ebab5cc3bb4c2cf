import type { GlobalOptions } from './options.ts';
import type { Configuration } from './server-config.ts';

/** Where to look for the configuration: what the edge of the program knows. */
export interface ConfigurationRequest {
  /** Value of `-c`. */
  readonly explicitPath: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Home folder, for `~` and `~/.pgcellar.conf`. */
  readonly homeFolder: string;
}

/** The main file alone: enough to know which user to become and where to log. */
export interface MainConfiguration {
  readonly path: string;
  /** From the main file's global section alone. */
  readonly global: GlobalOptions;
  /** Warnings of the global section; {@link Configuration} repeats them. */
  readonly warnings: readonly string[];
}

/**
 * Finds and reads the main file: `-c`, `PGCELLAR_CONFIG_FILE`, `BARMAN_CONFIG_FILE`, then the usual places (product.md section 3).
 * @throws OperatorError `configuration-missing` or `configuration-invalid`
 */
export async function loadMainConfiguration(request: ConfigurationRequest): Promise<MainConfiguration> {
  return await Promise.reject(new Error(`to follow: ${String(request.explicitPath)}`));
}

/**
 * Reads everything else, as the user that owns the catalog: included files, `.barman.auto.conf`, active models. Connects to
 * nothing, so problems that only a server can show are found by the work that needs it and by `check`.
 * @param homeFolder of the user that we run as by now, for `~` in paths
 * @throws OperatorError `configuration-invalid`
 */
export async function loadConfiguration(main: MainConfiguration, homeFolder: string): Promise<Configuration> {
  return await Promise.reject(new Error(`to follow: ${main.path} ${homeFolder}`));
}
