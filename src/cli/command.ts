import type { Application } from '../assemble.ts';
import type { ServerConfig } from '../config/server-config.ts';

/** What a command does with a server in one of the three special states (cli.md section 2, since-3.17.md section 4). */
export type ServerStateRule = 'run' | 'skip' | 'error';

export interface OptionDeclaration {
  /** Long name without dashes: `wait-timeout`. */
  readonly name: string;
  /** Further spellings, with their dashes: `-w`, `--colour`. */
  readonly aliases?: readonly string[];
  readonly kind: 'flag' | 'text' | 'count' | 'positive' | 'choice' | 'choice-or-bare';
  /** For `choice`; a `choice-or-bare` option without a value means the first one. */
  readonly choices?: readonly string[];
  readonly metavar?: string;
  readonly repeatable?: boolean;
  /** Long name of the option whose destination this one shares: `--no-retry` and `--retry-times`, `--no-X` and `--X`. */
  readonly sharesWith?: string;
  readonly summary: string;
  /** Checks or converts at parse time; throws OperatorError `usage`. */
  readonly parse?: (text: string) => unknown;
}

export interface ArgumentDeclaration {
  readonly name: string;
  readonly summary: string;
  readonly isOptional?: boolean;
  readonly isRepeatable?: boolean;
}

export interface CommandDeclaration {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  readonly arguments: readonly ArgumentDeclaration[];
  readonly options: readonly OptionDeclaration[];
  readonly examples?: readonly string[];
  /** Whether the first argument names no server, one, or several (`all` allowed). */
  readonly servers: 'none' | 'one' | 'many';
  readonly whenInactive?: ServerStateRule;
  readonly whenDisabled?: ServerStateRule;
  readonly whenPassive?: ServerStateRule;
  /** Does the work; loads what it needs with `import()`, so that declaring costs nothing. */
  readonly run: (invocation: Invocation) => Promise<void>;
}

/** One parsed command line. */
export interface Invocation {
  readonly application: Application;
  /** Servers to work on, sorted, unknown names told and left out, state rules applied. */
  readonly servers: readonly ServerConfig[];
  /** Positional arguments after the server, as typed. */
  readonly positionals: readonly string[];
  /** Values of the options that were given, by long name. */
  readonly options: Readonly<Record<string, unknown>>;
}
