import type { ServerConfig } from '../../config/server-config.ts';
import { unavailableOptionsInUse } from '../../config/unavailable-options.ts';
import type { Check } from '../check.ts';
import { failed } from '../verdict.ts';

/** No option asks for something that does not exist yet and cannot be left out. */
export const unavailableOptions: Check = {
  name: 'unavailable options',
  appliesTo: 'every',
  isCritical: false,
  run({ server }) {
    const settings = [...defaultMethod(server.config), ...refusedSettings(server.config)];
    return settings.length === 0 ? undefined : failed(`not available yet: ${settings.join('; ')}`);
  },
};

function refusedSettings(config: ServerConfig): readonly string[] {
  return unavailableOptionsInUse(config)
    .filter(({ ignoring }) => ignoring === 'refuse')
    .map(({ setting }) => setting);
}

/** A method that nobody chose is not in use, yet it is what a backup would be taken by. */
function defaultMethod({ options, sources, isPassive }: ServerConfig): readonly string[] {
  const isChosen = sources.backup_method !== undefined || options.backup_method === 'postgres';
  return isChosen || isPassive ? [] : [`backup_method = ${options.backup_method} (the default)`];
}
