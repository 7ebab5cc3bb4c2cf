import { isCopyDone } from '../../catalog/backups/backup.ts';
import { readBackupRecords } from '../../catalog/backups/backup-records.ts';
import type { GlobalOptions } from '../../config/options.ts';
import { barmanServerOptionNames, ownServerOptionNames, type serverOptionNames } from '../../config/options.ts';
import type { Server } from '../../config/server.ts';
import { formatRetentionPolicy } from '../../retention/retention-policy.ts';
import type { Context } from '../../shared/context.ts';
import { epochSeconds } from '../../shared/timestamp.ts';
import { formatInterval } from '../../shared/units.ts';
import { headingOf } from '../listing/list-servers.ts';
import type { ServerDetails, ShownValue } from '../reports/server-reports.ts';
import { shown, shownSet, shownSpan } from './python-words.ts';
import { readRemoteStatus } from './remote-status.ts';

/** Every option of a server and, while it is active and not passive, its live state (docs/reference/cli.md section 6.4). */
export async function showServer(server: Server, global: GlobalOptions, context: Context): Promise<ServerDetails> {
  const { config } = server;
  const values: Record<string, ShownValue> = {
    ...Object.fromEntries(barmanServerOptionNames.map((key) => [key, optionWords(server, key)])),
    active_model: shown(config.activeModel),
    disabled: shown(config.problems.length > 0),
    name: shown(config.name),
    passive_node: shown(config.isPassive),
  };
  const maximumAge = config.options.last_backup_maximum_age;
  values['last_backup_maximum_age'] =
    maximumAge === undefined ? shown('None') : await maximumAgeWords(server, maximumAge, context);
  if (config.isActive && !config.isPassive) Object.assign(values, await readRemoteStatus(server, context));
  const own: Record<string, ShownValue> = {
    ...Object.fromEntries(ownServerOptionNames.map((key) => [key, optionWords(server, key)])),
    barman_home: shown(global.barman_home),
    barman_lock_directory: shown(global.barman_lock_directory),
    config_changes_queue: shown(global.config_changes_queue),
    lock_directory_cleanup: shown(global.lock_directory_cleanup),
    msg_list: shown(config.problems),
  };
  return { ...headingOf(config), description: config.options.description, values, own };
}

/** An option as Barman prints it. */
export function optionWords({ config }: Server, key: (typeof serverOptionNames)[number]): ShownValue {
  const { options, retention } = config;
  switch (key) {
    case 'backup_options':
      return shownSet('BackupOptions', options.backup_options);
    case 'recovery_options':
      return shownSet('RecoveryOptions', options.recovery_options);
    case 'last_wal_maximum_age':
    case 'last_backup_maximum_age': {
      const seconds = options[key];
      return seconds === undefined ? shown(undefined) : shownSpan(seconds);
    }
    case 'retention_policy':
      return shown(retention.kind === 'enforced' ? formatRetentionPolicy(retention.policy) : options.retention_policy);
    case 'wal_retention_policy':
      return shown(retention.kind === 'enforced' ? 'MAIN' : options.wal_retention_policy);
    default:
      return shown(options[key]);
  }
}

async function maximumAgeWords(server: Server, seconds: number, { clock }: Context): Promise<ShownValue> {
  const { backups } = await readBackupRecords(server.layout);
  const last = backups.findLast(isCopyDone);
  const age = last?.endTime == null ? undefined : Math.floor(clock.now().getTime() / 1000) - epochSeconds(last.endTime);
  if (age === undefined) return shown(`${formatInterval(seconds)} (WARNING! latest backup is No available backups old)`);
  const ageWords = formatInterval(age);
  return shown(
    age > seconds
      ? `${formatInterval(seconds)} (WARNING! latest backup is ${ageWords} old)`
      : `${formatInterval(seconds)} (latest backup: ${ageWords} )`,
  );
}
