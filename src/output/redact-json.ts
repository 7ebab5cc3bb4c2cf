import type { Json, JsonObject } from '../shared/format-json.ts';
import { redactSecrets } from '../shared/log-file.ts';

/** The same JSON with passwords blanked, as on the console: it is kept, sent and shown around no less. */
export function redactJson<T extends Json>(value: T): T;
export function redactJson(value: Json): Json {
  if (typeof value === 'string') return redactSecrets(value);
  if (isObject(value)) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, redactJson(item)]));
  return Array.isArray(value) ? value.map((item: Json) => redactJson(item)) : value;
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
