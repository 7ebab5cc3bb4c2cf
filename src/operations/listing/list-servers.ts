import type { ServerConfig } from '../../config/server-config.ts';
import type { ServerHeading, ServerListItem } from '../reports/server-reports.ts';

/** Every configured server (docs/reference/cli.md section 6.1). */
export function listServers(servers: readonly ServerConfig[]): ServerListItem[] {
  return servers.map((config) => ({ ...headingOf(config), description: config.options.description }));
}

/** How a server stands, for the heading of a report. */
export function headingOf(config: ServerConfig): ServerHeading {
  return {
    name: config.name,
    isActive: config.isActive,
    isDisabled: config.problems.length > 0,
    isPassive: config.isPassive,
  };
}
