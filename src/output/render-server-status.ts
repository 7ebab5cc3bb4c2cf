import type { ServerStatus } from '../operations/reports/server-reports.ts';
import type { Report } from './report.ts';

/** `status` of one server, also `keep --status` (cli.md sections 6.5, 8.3 and 12). */
export function renderServerStatus({ name, items }: ServerStatus): Report {
  return {
    lines: [`Server ${name}:`, ...items.map(({ label, message }) => `\t${label}: ${message}`)],
    json: { [name]: Object.fromEntries(items.map(({ key, label, message }) => [key, { description: label, message }])) },
  };
}
