import type { ServerStatus, StatusItem } from '../operations/reports/server-reports.ts';
import type { JsonObject } from '../shared/format-json.ts';
import type { Report } from './report.ts';

/** `status` of one server, also `keep --status` (docs/reference/cli.md sections 6.5, 8.3 and 12). */
export function renderServerStatus({ name, items, own }: ServerStatus): Report {
  return {
    lines: [`Server ${name}:`, ...linesOf(items)],
    json: { [name]: jsonOf(items) },
    ...(own.length === 0 ? {} : { own: { lines: linesOf(own), json: { [name]: jsonOf(own) } } }),
  };
}

function linesOf(items: readonly StatusItem[]): readonly string[] {
  return items.map(({ label, message }) => `\t${label}: ${message}`);
}

function jsonOf(items: readonly StatusItem[]): JsonObject {
  return Object.fromEntries(items.map(({ key, label, message }) => [key, { description: label, message }]));
}
