import type { RetentionPolicy } from '../retention/retention-policy.ts';
import type { GlobalOptions, ServerOptionName, ServerOptions } from './options.ts';

declare const serverNameBrand: unique symbol;
/** Name of a configured server: a section of the configuration. */
export type ServerName = string & { readonly [serverNameBrand]: true };

/** The result of reading `retention_policy`: an unreadable policy is never enforced and fails its check. */
export type RetentionSetting =
  | { readonly kind: 'not-enforced' }
  | { readonly kind: 'invalid'; readonly text: string }
  | { readonly kind: 'enforced'; readonly policy: RetentionPolicy };

/** One server with every option resolved: model over server section over `[barman]` over default. */
export interface ServerConfig {
  readonly name: ServerName;
  readonly options: ServerOptions;
  /** File that an option's value came from; missing for a default. */
  readonly sources: Readonly<Partial<Record<ServerOptionName, string>>>;
  readonly activeModel: string | undefined;
  readonly isActive: boolean;
  /** It copies from another backup host: `primary_ssh_command` is set. */
  readonly isPassive: boolean;
  readonly retention: RetentionSetting;
  /** Problems found at load time; a server with any is disabled (docs/reference/config-checks-hooks.md section 5). */
  readonly problems: readonly string[];
  /** Told on stderr by the commands that work on the server. */
  readonly warnings: readonly string[];
  /** Warnings about settings that are assumed, told after the warnings of all servers. */
  readonly assumptions: readonly string[];
  /** As {@link Configuration.logWarnings}. */
  readonly logWarnings: readonly string[];
}

/** A section with `model = true`: options that `config-switch` lays over a server of the same cluster. */
export interface ModelConfig {
  readonly name: string;
  readonly cluster: string;
  readonly options: Readonly<Partial<ServerOptions>>;
  readonly sources: Readonly<Partial<Record<ServerOptionName, string>>>;
}

/** Everything that was read from the configuration files. */
export interface Configuration {
  /** Main file, as it was found. */
  readonly path: string;
  readonly global: GlobalOptions;
  /** Sorted by name. */
  readonly servers: readonly ServerConfig[];
  readonly models: readonly ModelConfig[];
  /** Everything that there is to warn about, of all servers. */
  readonly warnings: readonly string[];
  /** For the log only: what Barman logs without telling the user. */
  readonly logWarnings: readonly string[];
  /** Those of both that are of no server: of the global section, included files and models. */
  readonly globalWarnings: readonly string[];
  readonly globalLogWarnings: readonly string[];
  /** Conflicts between servers: no verb but `diagnose` works. */
  readonly globalProblems: readonly string[];
}
