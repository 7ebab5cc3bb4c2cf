import type { OptionChange, ServerDetails, ServerFact } from '../operations/reports/server-reports.ts';
import type { Json } from '../shared/format-json.ts';
import { type ShownValue, shownFact } from './python-words.ts';
import type { Report } from './report.ts';
import { headingOf, stateOf } from './server-heading.ts';

/** `show-servers` of one server: every key in alphabetical order (docs/reference/cli.md sections 6.4 and 12). */
export function renderServerDetails(details: ServerDetails): Report {
  const entries = sorted(details.values);
  const own = sorted(details.own);
  // The description falls back to the state, because null never replaces what is there.
  const json: Record<string, Json> = { description: details.description ?? stateOf(details) };
  for (const [key, value] of entries) {
    const shown = jsonOfShown(value);
    if (shown !== null || json[key] === undefined) json[key] = shown;
  }
  return {
    lines: [headingOf(details), ...entries.map(lineOf)],
    json: { [details.name]: json },
    own: {
      lines: own.map(lineOf),
      json: { [details.name]: Object.fromEntries(own.map(([key, value]) => [key, jsonOfShown(value)])) },
    },
  };
}

/** `config-switch`: what a model changes. */
export function renderOptionChange({ option, serverName, was, is, modelName }: OptionChange): string {
  return `Changing value of option '${option}' for server '${serverName}' from '${shownFact(was).text}' to '${shownFact(is).text}' through the model '${modelName}'`;
}

function sorted(values: Readonly<Record<string, ServerFact>>): readonly (readonly [string, ShownValue])[] {
  const shown = Object.entries(values).map(([key, fact]) => [key, shownFact(fact)] as const);
  return shown.toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function lineOf([key, { text }]: readonly [string, ShownValue]): string {
  return `\t${key}: ${text}`;
}

/** A value that JSON can express stays; anything else becomes its text. */
export function jsonOfShown({ json, text }: ShownValue): Json {
  return isJson(json) ? json : text;
}

function isJson(value: unknown): value is Json {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (Array.isArray(value)) return value.every(isJson);
  if (typeof value !== 'object') return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return (prototype === Object.prototype || prototype === null) && Object.values(value).every(isJson);
}
