import { command } from './option-kind.ts';
import { declarationOf, type LaterFeature, type ServerOptionName, serverOptionNames, type Work } from './options.ts';
import type { ServerConfig } from './server-config.ts';

/** An option that is set although what it asks for does not exist yet. */
export interface UnavailableOption {
  /** `KEY = VALUE` as it takes effect; a value that can hold a secret is not shown. */
  readonly setting: string;
  /** The reaction of the work that the option belongs to: continue with a warning, or refuse. */
  readonly ignoring: LaterFeature['ignoring'];
  /** One line for the user. */
  readonly message: string;
}

/**
 * Options of a server that ask for something that does not exist yet; with `work`, only those that matter to that work, which
 * says or refuses so before it begins. An option is never silently ignored.
 */
export function unavailableOptionsInUse(server: ServerConfig, work?: Work): readonly UnavailableOption[] {
  const found: UnavailableOption[] = [];
  for (const key of serverOptionNames) {
    const { later } = declarationOf(key);
    if (later === undefined || server.sources[key] === undefined) continue;
    if (work !== undefined && !later.work.includes(work)) continue;
    const words = laterWords(server.options[key], later);
    if (words === undefined) continue;
    const setting = `${key} = ${mayHoldSecret(key) ? '…' : words}`;
    found.push({ setting, ignoring: later.ignoring, message: messageFor(setting, server, later) });
  }
  return found;
}

function laterWords(value: unknown, later: LaterFeature): string | undefined {
  if (value === undefined || value === false) return undefined;
  const words = wordsOf(value);
  const asked = later.values === undefined ? words : words.filter((word) => later.values?.includes(word) === true);
  return asked.length === 0 ? undefined : asked.join(', ');
}

function wordsOf(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.map(String);
  if (typeof value === 'object' && value !== null)
    return [
      Object.entries(value)
        .map((entry) => entry.join(':'))
        .join(' '),
    ];
  return [String(value)];
}

function mayHoldSecret(key: ServerOptionName): boolean {
  return key.endsWith('conninfo') || declarationOf(key).kind === command;
}

function messageFor(setting: string, server: ServerConfig, later: LaterFeature): string {
  const consequence = later.ignoring === 'warn' ? 'and has no effect' : 'so this cannot be done as configured';
  return `${setting} of server '${server.name}' is not available yet ${consequence}`;
}
