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
    const settings = refusedSettings(server.config);
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

/** Lines that ask for what is there: another method, or no such line at all. */
function without(settings: readonly string[]): string {
  return settings
    .map((setting) => setting.split(' ')[0] ?? '')
    .map((key) => (key === 'backup_method' ? 'backup_method = postgres' : `; ${key} is left out`))
    .join('\n');
}
