import { randomUUID } from 'node:crypto';
import type { Log } from '../shared/log.ts';
import { redactSecrets } from '../shared/log-file.ts';
import { joined, linesOf, type Text } from '../shared/messages.ts';
import { shownLine } from '../shared/shown-text.ts';
import { spoken, type Voice } from '../shared/voice.ts';
import { type Colours, colouredLine, markedColours, noColours } from './colours.ts';
import type { Report } from './report.ts';
import type { MessageOptions, TextStream, Writer } from './writer.ts';

interface ConsoleSettings {
  readonly voice: Voice;
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
 * Text for people (docs/reference/cli.md section 1.4): results and INFO on stdout, everything else on stderr behind its level. Each message is one
 * write; passwords are blanked; every message is logged under its level too.
 */
export class ConsoleWriter implements Writer {
  readonly colours: Colours;
  readonly voice: Voice;
  readonly #settings: ConsoleSettings;
  readonly #secret: string | undefined;
  #hasFailed = false;
  #isSilent = false;

  constructor(settings: ConsoleSettings) {
    this.#settings = settings;
    this.voice = settings.voice;
    this.#secret = settings.hasColour ? randomUUID() : undefined;
    this.colours = this.#secret === undefined ? noColours : markedColours(this.#secret);
  }

  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  print(report: Report): void {
    const { lines, own } = report; // once: they may be worked out when they are asked for
    const all = this.voice === 'own' && own !== undefined ? [...lines, ...own.lines] : lines;
    if (all.length > 0) this.#toStdout(all);
  }

  info(text: Text, options: MessageOptions = {}): void {
    this.#say(text, options, (said) => this.#toStdout(said));
    if (options.logged !== false) this.#settings.log.info(joined(text));
  }

  warning(text: Text, options: MessageOptions = {}): void {
    this.#say(text, options, (said) => this.#toStderr('WARNING: ', said, this.colours.warning));
    if (options.logged !== false) this.#settings.log.warning(joined(text));
  }

  error(text: Text, options: MessageOptions = {}): void {
    this.#hasFailed = true;
    this.#say(text, options, (said) => this.#toStderr('ERROR: ', said, this.colours.failed));
    if (options.logged !== false) this.#settings.log.error(joined(text));
  }

  errorWithHint(text: Text, hint: string, options: MessageOptions = {}): void {
    this.error(text, { ...options, logged: false });
    if (this.voice === 'own') this.#toStderr('HINT: ', hint);
    this.#settings.log.error(`${joined(text)} (${hint})`);
  }

  exception(text: Text): void {
    this.#hasFailed = true;
    this.#toStderr('EXCEPTION: ', text, this.colours.failed);
    this.#settings.log.error(joined(text));
  }

  debug(text: Text): void {
    if (this.#settings.isDebug) this.#toStderr('DEBUG: ', text);
    this.#settings.log.debug(joined(text));
  }

  silence(): void {
    this.#isSilent = true;
  }

  finish(): void {
    this.#settings.beforeWriting?.();
  }

  #say(text: Text, options: MessageOptions, tell: (said: Text) => void): void {
    const said = spoken(text, options, this.voice);
    if (said !== undefined) tell(said);
  }

  #toStdout(text: Text): void {
    if (!this.#settings.isQuiet) this.#write(this.#settings.stdout, redactSecrets(this.#shown(text)));
  }

  #toStderr(level: string, text: Text, colour?: (text: string) => string): void {
    const [before = '', after = ''] = this.#coloured(colour?.('|') ?? '|').split('|');
    this.#write(this.#settings.stderr, `${before}${level}${redactSecrets(this.#shown(text))}${after}`);
  }

  /** The one door for text: only the line ends between our own lines are line ends on a terminal. */
  #shown(text: Text): string {
    return linesOf(text)
      .map((line) => this.#coloured(line))
      .join('\n');
  }

  #coloured(line: string): string {
    return this.#secret === undefined ? shownLine(line) : colouredLine(line, this.#secret);
  }

  #write(stream: TextStream, text: string): void {
    if (this.#isSilent) return;
    this.#settings.beforeWriting?.();
    stream.write(`${text}\n`);
  }
}
