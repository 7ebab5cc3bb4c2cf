import type { ServerHeading } from '../operations/reports/server-reports.ts';

/** How the state of a server is shown beside its name: inactive wins over disabled (docs/reference/cli.md sections 6.1 and 6.4). */
export function stateOf({ isActive, isDisabled }: ServerHeading): string {
  if (!isActive) return '(inactive)';
  return isDisabled ? '(WARNING: disabled)' : '';
}

/** First line of a report on one server: `Server NAME:`, with its state when that is out of the ordinary. */
export function headingOf(server: ServerHeading): string {
  const state = stateOf(server);
  return `Server ${server.name}${state === '' ? '' : ` ${state}`}:`;
}
