import type { ServerListItem } from '../operations/reports/server-reports.ts';
import type { Report } from './report.ts';
import { stateOf } from './server-heading.ts';

interface ListOptions {
  readonly minimal: boolean;
}

/** `list-servers` in the order given (docs/reference/cli.md sections 6.1 and 12); the JSON form knows no minimal list. */
export function renderServerList(items: readonly ServerListItem[], { minimal }: ListOptions): Report {
  return {
    lines: items.map((item) => (minimal ? item.name : lineOf(item))),
    json: Object.fromEntries(items.map((item) => [item.name, { description: descriptionOf(item) }])),
  };
}

function lineOf(item: ServerListItem): string {
  const description = descriptionOf(item);
  return description === '' ? item.name : `${item.name} - ${description}`;
}

/** Without a configured description the state keeps its leading blank. */
function descriptionOf(item: ServerListItem): string {
  const marks = [stateOf(item), item.isPassive ? '(Passive)' : ''].filter((mark) => mark !== '');
  return [item.description ?? '', ...marks].join(' ');
}
