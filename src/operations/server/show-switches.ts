import { acknowledge, isUnacknowledged, readSwitches, type SwitchRecord, switchJson } from '../../cluster/switch-records.ts';
import type { Server } from '../../config/server.ts';
import type { Context } from '../../shared/context.ts';
import type { JsonObject } from '../../shared/format-json.ts';
import { lossText } from './read-cluster-trouble.ts';

/** The switches of a server that were noted, oldest first. */
export interface SwitchReport {
  readonly serverName: string;
  readonly switches: readonly SwitchRecord[];
  /** The same as they are stored. */
  readonly json: readonly JsonObject[];
}

export async function showSwitches({ config, layout }: Server): Promise<SwitchReport> {
  const switches = await readSwitches(layout);
  return { serverName: config.name, switches, json: switches.map((each) => ({ ...switchJson(each) })) };
}

/** Takes note of every loss: nobody is told of it by `check` any more. */
export async function acknowledgeSwitches({ config, layout }: Server, { clock, messages }: Context): Promise<void> {
  const switches = await readSwitches(layout);
  const open = switches.filter(isUnacknowledged);
  if (open.length === 0) {
    messages.info(`No loss of server ${config.name} waits to be acknowledged`);
    return;
  }
  await acknowledge(layout, open, clock.now());
  for (const each of open) messages.info(`Acknowledged: ${lossText(each)}`);
}
