import type { ConfigurationRequest } from '../config/find-configuration-file.ts';
import type { Server } from '../config/server.ts';
import type { Application } from './assemble.ts';

/** The way a command treats a server in a special state (docs/reference/cli.md section 2, docs/reference/since-3.17.md section 4). */
export type ServerStateRule = 'run' | 'skip' | 'error';

export interface OptionDeclaration {
  /** Long name without dashes: `wait-timeout`. */
  readonly name: string;
  /** One letter: `w`. */
  readonly short?: string;
  /** Further spellings, with their dashes: `-x`, `--colour`. */
  readonly aliases?: readonly string[];
  readonly kind: 'flag' | 'text' | 'count' | 'positive' | 'choice' | 'choice-or-bare';
  /** For the choices. */
  readonly choices?: readonly string[];
  /** Barman's text about another word, where it has words of its own for that. */
  readonly wrongChoiceAsBarman?: (text: string) => string;
  /** The value of a `choice-or-bare` option without one; the first choice unless it says otherwise. */
  readonly bareValue?: string;
  readonly metavar?: string;
  /** Every value counts, in order; otherwise the last one. */
  readonly isRepeatable?: boolean;
  /** Long name of the option whose value this one sets too: `--no-retry` and `--retry-times`, `--no-X` and `--X`. */
  readonly sharesWith?: string;
  /** Value that a flag sets; true unless it says otherwise. */
  readonly flagValue?: unknown;
  readonly summary: string;
  /** Reads the value; throws OperatorError `usage` with what would be accepted, to which the option's name is put. */
  readonly parse?: (text: string) => unknown;
}

interface ArgumentDeclaration {
  readonly name: string;
  readonly summary: string;
  readonly isOptional?: boolean;
  /** One or more of them; only the last argument can be. */
  readonly isRepeatable?: boolean;
}

/** One verb: a table row that help, parser and reference are made from. Written with {@link declareCommand}. */
export interface CommandDeclaration<out Name extends string = string> {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  /** After the servers, which are not listed here. */
  readonly arguments?: readonly ArgumentDeclaration[];
  readonly options?: readonly OptionDeclaration[];
  readonly examples?: readonly string[];
  /** Whether it names no server, one, or several (`all` allowed). */
  readonly servers: 'none' | 'one' | 'many';
  readonly whenInactive?: ServerStateRule;
  readonly whenDisabled?: ServerStateRule;
  readonly whenPassive?: ServerStateRule;
  /** Flag with which it prints nothing but its own last words, whatever there is to warn about. */
  readonly silencedBy?: string | undefined;
  /** PostgreSQL calls it, for each segment: its standard error goes into the log there. */
  readonly isForPostgres?: boolean;
  /** Runs although servers get into each other's way; the others only tell that. */
  readonly runsDespiteGlobalProblems?: boolean;
  /** Ends in its own way when it is told to stop; the others end immediately. */
  readonly endsGracefully?: boolean;
  /** Is told of SIGHUP by `application.onHangup`, which then ends nothing. */
  readonly listensToHangup?: boolean;
  /** Work that may have to come before the configuration is read, such as writing one. */
  readonly beforeConfiguration?: (early: EarlyInvocation<Name>) => Promise<void>;
  /** The whole work of a verb that needs no configuration; it then has no `run`. */
  readonly runEarly?: (early: EarlyInvocation<Name>) => Promise<void>;
  /** Refuses options that say nothing together, before the servers are looked for. @throws OperatorError */
  readonly judgeOptions?: (options: OptionValues<Name>) => void;
  /** Does the work; loads what it needs with `import()`, so that declaring costs nothing. */
  readonly run?: ((invocation: Invocation<Name>) => Promise<void>) | undefined;
}

/** Names that options are looked up by: one that only sets the value of another has none. */
type NameOf<Declared extends OptionDeclaration> = Declared extends { readonly sharesWith: infer Other extends string }
  ? Other
  : Declared['name'];

/** A declaration that knows the names of its options: to look up one that it does not declare is a type error. */
type Declared<Options extends readonly OptionDeclaration[]> = Omit<
  CommandDeclaration<NameOf<Options[number]>>,
  'options' | 'silencedBy'
> & {
  readonly options?: Options;
  readonly silencedBy?: NameOf<Options[number]>;
};

/** Declares a verb. */
export function declareCommand<const Options extends readonly OptionDeclaration[] = []>(
  command: Declared<Options>,
): CommandDeclaration {
  return command;
}

/** A verb whose declaration is loaded when it is asked for. */
export interface ListedCommand {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly load: () => Promise<CommandDeclaration>;
}

/** A parsed command line before the configuration is read. */
interface EarlyInvocation<in Name extends string = string> {
  readonly options: OptionValues<Name>;
  /** As typed. */
  readonly positionals: readonly string[];
  readonly programName: string;
  /** Every verb. */
  readonly commands: readonly ListedCommand[];
  /** Where a configuration is looked for. */
  readonly places: ConfigurationRequest;
  /** Writes to standard output. */
  readonly print: (text: string) => void;
}

/** One parsed command line, ready to run. */
export interface Invocation<in Name extends string = string> {
  readonly application: Application;
  /** Servers to work on, sorted; unknown ones are told and left out, those in a special state treated by the command's rules. */
  readonly servers: readonly Server[];
  /** Positional arguments after the servers, as typed. */
  readonly positionals: readonly string[];
  readonly options: OptionValues<Name>;
}

/** Values of the options that were given, by long name: one of those that the command declares. */
export class OptionValues<in Name extends string = string> {
  readonly #values: ReadonlyMap<string, unknown>;

  constructor(values: ReadonlyMap<string, unknown>) {
    this.#values = values;
  }

  /** Whether a flag was given; a pair with `--no-…` shares one place, so false is its opposite. */
  flag(name: Name): boolean {
    return this.#values.get(name) === true;
  }

  /** The flag's value when it or its opposite was given. */
  flagIfGiven(name: Name): boolean | undefined {
    const value = this.#values.get(name);
    return typeof value === 'boolean' ? value : undefined;
  }

  text(name: Name): string | undefined {
    const value = this.#values.get(name);
    return typeof value === 'string' ? value : undefined;
  }

  number(name: Name): number | undefined {
    const value = this.#values.get(name);
    return typeof value === 'number' ? value : undefined;
  }

  texts(name: Name): readonly string[] {
    const value = this.#values.get(name);
    return Array.isArray(value) ? value.map(String) : [];
  }

  has(name: Name): boolean {
    return this.#values.has(name);
  }
}
