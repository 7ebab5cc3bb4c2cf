import type { Json } from '../shared/format-json.ts';
import { jsonPieces } from '../shared/format-json.ts';
import { isRecord } from '../shared/is-record.ts';
import type { Log } from '../shared/log.ts';
import { redactSecrets } from '../shared/log-file.ts';
import { joined, type Text } from '../shared/messages.ts';
import { spoken, type Voice } from '../shared/voice.ts';
import { type Colours, noColours } from './colours.ts';
import type { Report } from './report.ts';
import type { MessageOptions, TextStream, Writer } from './writer.ts';

type MessageKey = '_INFO' | '_WARNING' | '_ERROR' | '_EXCEPTION' | '_DEBUG';

/** All that is ours in an answer of one of Barman's verbs. */
const ownKey = 'pgcellar';

/** Characters; thousands of backups are several megabytes. */
const chunkLength = 65_536;

interface JsonSettings {
  readonly voice: Voice;
  readonly stdout: TextStream;
  readonly log: Log;
  /** Nothing is printed at all, errors included. */
  readonly isQuiet: boolean;
  readonly isDebug: boolean;
}

/**
 * One object for programs, printed by `finish` (docs/reference/cli.md section 12): the results, and the messages in arrays by level. stderr stays
 * empty; passwords are blanked, and every message is logged, as on the console.
 */
export class JsonWriter implements Writer {
  readonly colours: Colours = noColours;
  readonly voice: Voice;
  readonly #settings: JsonSettings;
  readonly #object: Record<string, Json> = {};
  readonly #messages = new Map<string, Json[]>();
  #hasFailed = false;
  #isSilent: boolean;

  constructor(settings: JsonSettings) {
    this.#settings = settings;
    this.voice = settings.voice;
    this.#isSilent = settings.isQuiet;
  }

  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** Results with the same key are merged; message arrays of a result join those of the writer. */
  print(report: Report): void {
    for (const [key, value] of Object.entries(report.json)) {
      if (isMessages(key, value)) this.#messagesOf(key).push(...value);
      else this.#object[key] = merged(this.#object[key], value);
    }
    if (this.voice === 'own' && report.own !== undefined) {
      this.#object[ownKey] = merged(this.#object[ownKey], report.own.json);
    }
  }

  info(text: Text, options: MessageOptions = {}): void {
    this.#add('_INFO', text, options);
    if (options.logged !== false) this.#settings.log.info(joined(text));
  }

  warning(text: Text, options: MessageOptions = {}): void {
    this.#add('_WARNING', text, options);
    if (options.logged !== false) this.#settings.log.warning(joined(text));
  }

  error(text: Text, options: MessageOptions = {}): void {
    this.#hasFailed = true;
    this.#add('_ERROR', text, options);
    if (options.logged !== false) this.#settings.log.error(joined(text));
  }

  errorWithHint(text: Text, hint: string, options: MessageOptions = {}): void {
    const advised = `${joined(text)} (${hint})`;
    this.error(advised, { ...options, asBarman: options.asBarman === undefined ? joined(text) : options.asBarman });
  }

  exception(text: Text): void {
    this.#hasFailed = true;
    this.#add('_EXCEPTION', text);
    this.#settings.log.error(joined(text));
  }

  debug(text: Text): void {
    if (this.#settings.isDebug) this.#add('_DEBUG', text);
    this.#settings.log.debug(joined(text));
  }

  silence(): void {
    this.#isSilent = true;
  }

  finish(): void {
    if (this.#isSilent) return;
    this.#isSilent = true;
    const object = { ...this.#object, ...Object.fromEntries(this.#messages) };
    let waiting = '';
    for (const piece of jsonPieces(object, { sortKeys: true, text: redactSecrets })) {
      waiting += piece;
      if (waiting.length < chunkLength) continue;
      this.#settings.stdout.write(waiting);
      waiting = '';
    }
    this.#settings.stdout.write(waiting);
  }

  #add(key: MessageKey, text: Text, options: MessageOptions = {}): void {
    const said = spoken(text, options, this.voice);
    if (said !== undefined) this.#messagesOf(key).push(joined(said));
  }

  #messagesOf(key: string): Json[] {
    const found = this.#messages.get(key) ?? [];
    this.#messages.set(key, found);
    return found;
  }
}

function merged(before: Json | undefined, value: Json): Json {
  return before !== undefined && isRecord(before) && isRecord(value) ? { ...before, ...value } : value;
}

function isMessages(key: string, value: Json): value is readonly Json[] {
  return key.startsWith('_') && Array.isArray(value);
}
