import type { Environment } from '../../shared/environment.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { quoteWords } from '../../shared/shell-words.ts';
import { formatSize } from '../../shared/units.ts';
import { lastLines } from '../programs/program-result.ts';
import { readSshSettings } from '../ssh/read-ssh-settings.ts';
import type { RemoteShell, ShellResult } from '../ssh/remote-shell.ts';
import { SharedLogin } from '../ssh/shared-login.ts';
import { boundConnecting, parseSshCommand, type SshCommand } from '../ssh/ssh-command.ts';
import { sshProgramShell } from '../ssh/ssh-program-shell.ts';
import { reasonForProgram, type SshSettings } from '../ssh/ssh-settings.ts';
import type { Host, HostCommandOptions } from './host.ts';

interface RemoteHostOptions {
  /** `ssh_command` or `--remote-ssh-command`: the operator's truth about how the host is reached. */
  readonly sshCommand: string;
  readonly environment: Environment;
}

/** Configuration files and the control file are far smaller. */
const mostFileBytes = 64 * 1024 ** 2;
const mostOutputBytes = 256 * 1024 ** 2;
/** The exit code of our scripts for a path that does not exist. */
const missing = 44;

/**
 * Another host. It is reached when the first command runs, over one connection for all of them where our own client can do what the
 * command says (product.md section 4), else through the program `ssh`.
 * @throws OperatorError `configuration-invalid` for a command with an open quote
 */
export function remoteHost({ sshCommand, environment }: RemoteHostOptions): Host {
  const command = parseSshCommand(sshCommand);
  let asking: Promise<SshSettings | undefined> | undefined;
  const settings = (): Promise<SshSettings | undefined> => (asking ??= readSshSettings(command, environment));
  const openShell = async (): Promise<RemoteShell> => {
    const known = await settings();
    return await shellFor({ command: parseSshCommand(boundConnecting(sshCommand, known)), environment, settings: known });
  };
  const login = new SharedLogin({ text: sshCommand, environment, settings });
  let opening: Promise<RemoteShell> | undefined;
  const shell = async (): Promise<RemoteShell> => {
    const opened = await (opening ??= openShell());
    // hours may lie between two commands, and sshd may have been restarted meanwhile
    return opened.isOpen ? opened : await (opening = openShell());
  };
  return new RemoteHost({ label: command.label, login, shell }, async () => {
    const opened = await opening?.catch(() => undefined); // its users have got the failure
    opened?.close();
    await login[Symbol.asyncDispose]();
  });
}

interface ShellOptions {
  readonly command: SshCommand;
  readonly environment: Environment;
  readonly settings: SshSettings | undefined;
}

async function shellFor({ command, environment, settings }: ShellOptions): Promise<RemoteShell> {
  const program = sshProgramShell(command, environment);
  if (settings === undefined || reasonForProgram(settings) !== undefined) return program; // its own words are better than ours
  const { connectSsh } = await import('../ssh/ssh-connection.ts');
  return (await connectSsh({ label: command.label, settings, environment })) ?? program;
}

interface HostParts extends Pick<RemoteHost, 'label' | 'login'> {
  readonly shell: () => Promise<RemoteShell>;
}

class RemoteHost implements Host {
  readonly isRemote = true;
  readonly label: string;
  readonly login: SharedLogin;
  readonly #shell: () => Promise<RemoteShell>;
  readonly #close: () => Promise<void>;

  constructor({ label, login, shell }: HostParts, close: () => Promise<void>) {
    this.label = label;
    this.login = login;
    this.#shell = shell;
    this.#close = close;
  }

  async run(argv: readonly string[], options: HostCommandOptions = {}) {
    if (options.onStdout !== undefined) return { argv, ...(await this.#execute(argv, options, options.onStdout)), stdout: '' };
    const { bytes, ...result } = await this.#collect(argv, options, { most: mostOutputBytes, what: argv[0] ?? '' });
    return { argv, ...result, stdout: bytes.toString('utf8') };
  }

  async readFile(path: string) {
    // shells differ in what they call an error of a redirection, so missing is asked for first
    const script = `[ -e "$1" ] || exit ${String(missing)}; stat -L -c '%a %Y' -- "$1" && cat -- "$1"`;
    const limit = { most: mostFileBytes, what: path };
    const { bytes, ...result } = await this.#collect(scriptWords(script, path), {}, limit);
    if (result.exitCode === missing) return undefined;
    if (result.exitCode !== 0) throw this.#refused('file-unreadable', `cannot read ${path}`, result);
    const end = bytes.indexOf('\n');
    const [, mode = '', seconds = ''] = /^([0-7]{1,4}) (-?\d{1,11})$/.exec(bytes.toString('latin1', 0, end)) ?? [];
    if (mode === '')
      throw this.#refused('file-unreadable', `cannot read ${path}`, { ...result, stderr: 'stat gave no usable answer' });
    return {
      content: bytes.subarray(end + 1),
      mode: Number.parseInt(mode, 8),
      modifiedAt: new Date(Number(seconds) * 1000),
    };
  }

  async writeFile(path: string, content: string | Uint8Array, { mode }: { readonly mode: number }) {
    const script = `t="$1.$$.tmp"; umask 077; mkdir -p -- "$(dirname -- "$1")" && cat > "$t" && chmod ${octal(mode)} "$t" && sync -- "$t" &&
mv -f -- "$t" "$1" && sync -- "$(dirname -- "$1")" || { rm -f -- "$t"; exit 1; }`;
    const result = await this.#execute(scriptWords(script, path), { input: content }, ignore);
    if (result.exitCode !== 0) throw this.#refused('file-unwritable', `cannot write ${path}`, result);
  }

  async makeFolder(path: string, { mode }: { readonly mode: number }) {
    const script = `[ -d "$1" ] || mkdir -p -m ${octal(mode)} -- "$1"`;
    const result = await this.#execute(scriptWords(script, path), {}, ignore);
    if (result.exitCode !== 0) throw this.#refused('file-unwritable', `cannot make the folder ${path}`, result);
  }

  async list(path: string) {
    const script = `[ -d "$1" ] || exit ${String(missing)}; find -H "$1" -mindepth 1 -maxdepth 1 -print0`;
    const result = await this.run(scriptWords(script, path));
    if (result.exitCode === missing) return undefined;
    if (result.exitCode !== 0) throw this.#refused('file-unreadable', `cannot list ${path}`, result);
    const names = result.stdout.split('\0').filter((found) => found !== '');
    return names.map((found) => found.slice(found.lastIndexOf('/') + 1)).toSorted();
  }

  async freeBytes(path: string) {
    const result = await this.run(['df', '-P', '-k', '--', path]);
    const kilobytes = /\s\d+\s+\d+\s+(\d+)\s+\d+%/.exec(result.stdout)?.[1];
    if (result.exitCode !== 0 || kilobytes === undefined)
      throw this.#refused('file-unreadable', `cannot tell the free space of ${path}`, result);
    return Number(kilobytes) * 1024;
  }

  async [Symbol.asyncDispose]() {
    await this.#close();
  }

  async #execute(
    argv: readonly string[],
    options: HostCommandOptions,
    onStdout: (chunk: Buffer) => void,
  ): Promise<ShellResult> {
    const shell = await this.#shell();
    return await shell.execute(quoteWords(argv), { ...options, onStdout });
  }

  /** All that a command prints. What goes on without end is ended. */
  async #collect(
    argv: readonly string[],
    options: HostCommandOptions,
    { most, what }: { readonly most: number; readonly what: string },
  ): Promise<ShellResult & { readonly bytes: Buffer }> {
    const chunks: Buffer[] = [];
    let length = 0;
    const tooMuch = new AbortController();
    const signals = options.signal === undefined ? [tooMuch.signal] : [tooMuch.signal, options.signal];
    const result = await this.#execute(argv, { ...options, signal: AbortSignal.any(signals) }, (chunk) => {
      length += chunk.length;
      if (length > most) tooMuch.abort();
      else chunks.push(chunk);
    });
    if (!tooMuch.signal.aborted) return { ...result, bytes: Buffer.concat(chunks) };
    throw new OperatorError('command-failed', `${what} on ${this.label} gives more than ${formatSize(most)}`, {
      hint: 'examine it: no file that pgcellar needs is that long',
    });
  }

  #refused(code: 'file-unreadable' | 'file-unwritable', what: string, { stderr, exitCode }: ShellResult): OperatorError {
    const said = lastLines(stderr, 2) || `exit code ${String(exitCode)}`;
    return new OperatorError(code, `${what} on ${this.label}: ${said}`);
  }
}

function scriptWords(script: string, path: string): string[] {
  return ['sh', '-c', script, 'sh', path];
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

function ignore(): void {
  // the output of the command is of no interest
}
