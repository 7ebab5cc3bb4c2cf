import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Environment } from '../../shared/environment.ts';
import { makeScratchFolder, type ScratchFolder } from '../../shared/scratch-folder.ts';
import { untilAborted } from '../../shared/until-aborted.ts';
import { type RunningProgram, startProgram } from '../programs/run-program.ts';
import { preferFastCipher } from './prefer-fast-cipher.ts';
import { boundConnecting, parseSshCommand, type SshCommand, sshArgv } from './ssh-command.ts';
import { isOn, type SshSettings, settingOf } from './ssh-settings.ts';

interface SharedLoginOptions {
  /** As `ssh_command` has it. */
  readonly text: string;
  readonly environment: Environment;
  /** The output of `ssh -G` for the command; undefined when there is none. */
  readonly settings: () => Promise<SshSettings | undefined>;
}

/** A command that reaches the host, for one program at a time. */
export interface LentCommand extends Disposable {
  readonly sshCommand: string;
}

interface Master {
  readonly socket: string;
  readonly running: RunningProgram;
  readonly folder: ScratchFolder;
  hasEnded: boolean;
}

const lookEveryMs = 5;
const goodbyeMs = 3000;
/** `-M` and `-S`, alone or behind options of ssh(1) that take no value. */
const controlFlag = /^-[46AaCfGgKkNnqsTtVvXxYy]*[MS]/;
/** OpenSSH expands some characters of the path, and its socket gets a suffix of 17 first; an address of a socket has 108 at most. */
const usableSocket = /^[\w./-]{1,88}$/;

/**
 * One login of the program ssh for programs that need it one after the other, as rsync does (ssh_config(5), ControlMaster): a login takes
 * longer than anything else about small transfers. Programs that run at the same time log in for themselves, so that each has its own
 * connection and processor.
 */
export class SharedLogin implements AsyncDisposable {
  readonly #options: SharedLoginOptions;
  readonly #stop = new AbortController();
  #opening: Promise<Master | undefined> | undefined;
  #preferring: Promise<string> | undefined;
  #isLent = false;

  constructor(options: SharedLoginOptions) {
    this.#options = options;
  }

  /** Logs in now, for the first program that will ask. */
  begin(): void {
    this.#opening ??= this.#open();
    this.#opening.catch(() => undefined); // the failure reaches the caller that awaits it
  }

  /**
   * The command for a program that is started now. When there is nothing to share, it makes the program log in for itself, whose words
   * then say what is wrong.
   * @param signal aborts when the program is told to end
   * @throws OperatorError `interrupted`
   */
  async lend(signal: AbortSignal): Promise<LentCommand> {
    const master = this.#isLent ? undefined : await this.#claim(signal);
    if (master === undefined) return { sshCommand: await this.#fastCommand(), [Symbol.dispose]: () => undefined };
    // it holds the output of the program that uses it, for as long as the host is silent
    const stop = (): void => {
      close(master).catch(() => undefined); // the end of the host meets it, too
    };
    signal.addEventListener('abort', stop, { once: true });
    return {
      sshCommand: `${this.#options.text} -o ControlMaster=no -o ControlPath=${master.socket}`,
      [Symbol.dispose]: () => {
        signal.removeEventListener('abort', stop);
        this.#isLent = false;
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await close(await this.#opening?.catch(() => undefined)); // its users have got the failure
  }

  /** Lends it from the first moment on, so that whoever comes meanwhile does not wait; not when there is nothing to lend. */
  async #claim(signal: AbortSignal): Promise<Master | undefined> {
    let master: Master | undefined;
    this.#isLent = true;
    try {
      return (master = await untilAborted(this.#openMaster(), signal));
    } finally {
      this.#isLent = master !== undefined;
    }
  }

  /** Hours may lie between two programs, and sshd may have been restarted meanwhile. */
  async #openMaster(): Promise<Master | undefined> {
    this.begin();
    const master = await this.#opening;
    if (master?.hasEnded !== true) return master;
    await close(master);
    return await (this.#opening = this.#open());
  }

  async #fastCommand(): Promise<string> {
    return await (this.#preferring ??= this.#boundCommand());
  }

  async #boundCommand(): Promise<string> {
    const { text, environment, settings } = this.#options;
    const [fast, known] = await Promise.all([preferFastCipher(text, environment), settings()]);
    return boundConnecting(fast, known);
  }

  async #open(): Promise<Master | undefined> {
    const [settings, fast] = await Promise.all([this.#options.settings(), this.#fastCommand()]);
    const command = parseSshCommand(this.#options.text);
    if (settings === undefined || isSharingOrdered(command, settings) || goesToBackground(settings)) return undefined;
    const folder = await makeScratchFolder('ssh').catch(() => undefined); // as on a full disk, which is no reason not to copy
    if (folder === undefined) return undefined;
    const socket = join(folder.path, 'login');
    const argv = [
      ...sshArgv(parseSshCommand(fast)),
      '-M',
      '-N',
      '-S',
      socket,
      '-o',
      'ControlPersist=no',
      ...keptAlive(settings),
    ];
    try {
      const running = usableSocket.test(socket) ? await this.#start(argv) : undefined;
      const master = running === undefined ? undefined : await whenReady({ socket, running, folder });
      if (master === undefined) await folder[Symbol.asyncDispose]();
      return master;
    } catch (error) {
      await folder[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #start(argv: readonly string[]): Promise<RunningProgram> {
    const running = await startProgram(argv, { environment: this.#options.environment, signal: this.#stop.signal });
    running.stdin.end();
    running.stdout.resume();
    return running;
  }
}

/** The operator shares logins already, or says on the command line, where the first of a name counts, how that is to be. */
function isSharingOrdered({ words }: SshCommand, settings: SshSettings): boolean {
  const isOrder = (word: string): boolean =>
    /^(?:-o\s*)?control(?:master|path|persist)\b/i.test(word) || controlFlag.test(word);
  return settingOf(settings, 'controlpath') !== undefined || words.slice(1).some(isOrder);
}

/** A process that leaves us by itself would outlive us. */
function goesToBackground(settings: SshSettings): boolean {
  return isOn(settings, 'forkafterauthentication');
}

/** A connection that nobody uses for a while would be dropped by what lies between, and nobody told. */
function keptAlive(settings: SshSettings): string[] {
  return settingOf(settings, 'serveraliveinterval') === '0' ? ['-o', 'ServerAliveInterval=15'] : [];
}

/** The socket is there as soon as ssh has logged in. */
async function whenReady(parts: Omit<Master, 'hasEnded'>): Promise<Master | undefined> {
  const master: Master = { ...parts, hasEnded: false };
  void master.running.ended.then(() => {
    master.hasEnded = true;
  });
  while (!existsSync(master.socket)) {
    if (master.hasEnded) return undefined;
    await delay(lookEveryMs);
  }
  return master;
}

async function close(master: Master | undefined): Promise<void> {
  if (master === undefined) return;
  const { running } = master;
  running.kill('SIGTERM');
  // it says goodbye to the host, which may be silent, and what it started may hold its output
  const impatience = setTimeout(() => running.abandon(), goodbyeMs);
  await running.ended;
  clearTimeout(impatience);
  await master.folder[Symbol.asyncDispose]();
}
