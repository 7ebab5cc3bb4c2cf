import type { Log } from '../shared/log.ts';
import { redactSecrets } from '../shared/log-file.ts';
import { ansiColours, type Colours, noColours } from './colours.ts';
import type { Report } from './report.ts';
import type { MessageOptions, TextStream, Writer } from './writer.ts';

interface ConsoleSettings {
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  readonly log: Log;
  readonly hasColour: boolean;
  /** Drops what goes to stdout. */
  readonly isQuiet: boolean;
  /** Shows debug messages too. */
  readonly isDebug: boolean;
  /** Takes a progress line off the terminal before something is written. */
  readonly beforeWriting?: () => void;
}

/**
 * Text for people (cli.md section 1.4): results and INFO on stdout, everything else on stderr behind its level. Each message is one
 * write; passwords are blanked; every message is logged under its level too.
 */
export class ConsoleWriter implements Writer {
  readonly colours: Colours;
  readonly #settings: ConsoleSettings;
  #hasFailed = false;
  #isSilent = false;

  constructor(settings: ConsoleSettings) {
    this.#settings = settings;
    this.colours = settings.hasColour ? ansiColours : noColours;
  }

  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  print(report: Report): void {
    const { lines } = report; // once: they may be worked out when they are asked for
    if (lines.length > 0) this.#toStdout(lines.join('\n'));
  }

  info(text: string, options: MessageOptions = {}): void {
    this.#toStdout(text);
    if (options.logged !== false) this.#settings.log.info(text);
  }

  warning(text: string, options: MessageOptions = {}): void {
    this.#toStderr(`WARNING: ${text}`, this.colours.warning);
    if (options.logged !== false) this.#settings.log.warning(text);
  }

  error(text: string, options: MessageOptions = {}): void {
    this.#hasFailed = true;
    this.#toStderr(`ERROR: ${text}`, this.colours.failed);
    if (options.logged !== false) this.#settings.log.error(text);
  }

  errorWithHint(text: string, hint: string): void {
    this.error(text, { logged: false });
    this.#toStderr(`HINT: ${hint}`);
    this.#settings.log.error(`${text} (${hint})`);
  }

  exception(text: string): void {
    this.#hasFailed = true;
    this.#toStderr(`EXCEPTION: ${text}`, this.colours.failed);
    this.#settings.log.error(text);
  }

  debug(text: string): void {
    if (this.#settings.isDebug) this.#toStderr(`DEBUG: ${text}`);
    this.#settings.log.debug(text);
  }

  silence(): void {
    this.#isSilent = true;
  }

  finish(): void {
    this.#settings.beforeWriting?.();
  }

  #toStdout(text: string): void {
    if (!this.#settings.isQuiet) this.#write(this.#settings.stdout, redactSecrets(text));
  }

  #toStderr(text: string, paint: (text: string) => string = (plain) => plain): void {
    this.#write(this.#settings.stderr, paint(redactSecrets(text)));
  }

  #write(stream: TextStream, text: string): void {
    if (this.#isSilent) return;
    this.#settings.beforeWriting?.();
    stream.write(`${text}\n`);
  }
}
