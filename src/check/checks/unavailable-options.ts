import { methodOf } from '../../config/backup-methods.ts';
import type { ServerConfig } from '../../config/server-config.ts';
import { unavailableOptionsInUse } from '../../config/unavailable-options-in-use.ts';
import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { failed } from '../verdict.ts';

/** No option asks for something that does not exist yet and cannot be left out. */
export const unavailableOptions: Check = {
  name: 'unavailable options',
  appliesTo: 'every',
  isCritical: false,
  about: 'Not in Barman',
  meaning: 'Options ask for functions that do not exist yet; the commands that need them refuse to run.',
  remedies: ['option-unavailable'],
  isShownOnlyWhenFailed: true,
  run({ server }) {
    const settings = [...defaultMethod(server.config), ...refusedSettings(server.config)];
    if (settings.length === 0) return undefined;
    const asked = settings.join('; ');
    return failed(`not available yet: ${asked}`, mendedBy('option-unavailable', { asked, settings: without(settings) }));
  },
};

function refusedSettings(config: ServerConfig): readonly string[] {
  return unavailableOptionsInUse(config)
    .filter(({ ignoring }) => ignoring === 'refuse')
    .map(({ setting }) => setting);
}

/** A method that nobody chose is not in use, yet it is what a backup would be taken by. */
function defaultMethod({ options, sources, isPassive }: ServerConfig): readonly string[] {
  const isChosen = sources.backup_method !== undefined || methodOf(options).streams;
  return isChosen || isPassive ? [] : [`backup_method = ${options.backup_method} (the default)`];
}

/** Lines that ask for what is there: another method, or no such line at all. */
function without(settings: readonly string[]): string {
  return settings
    .map((setting) => setting.split(' ')[0] ?? '')
    .map((key) => (key === 'backup_method' ? 'backup_method = postgres' : `; ${key} is left out`))
    .join('\n');
}
