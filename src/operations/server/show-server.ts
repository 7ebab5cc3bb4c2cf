import { isCopyDone } from '../../catalog/backups/backup.ts';
import { readBackupRecords } from '../../catalog/backups/backup-records.ts';
import type { GlobalOptions } from '../../config/options.ts';
import { barmanServerOptionNames, ownServerOptionNames, type serverOptionNames } from '../../config/options.ts';
import type { Server } from '../../config/server.ts';
import { formatRetentionPolicy } from '../../retention/retention-policy.ts';
import type { Context } from '../../shared/context.ts';
import { epochSeconds } from '../../shared/timestamp.ts';
import { headingOf } from '../listing/list-servers.ts';
import { plain, type ServerDetails, type ServerFact } from '../reports/server-reports.ts';
import { readRemoteStatus } from './remote-status.ts';

/** Every option of a server and, while it is active and not passive, its live state (docs/reference/cli.md section 6.4). */
export async function showServer(server: Server, global: GlobalOptions, context: Context): Promise<ServerDetails> {
  const { config } = server;
  const values: Record<string, ServerFact> = {
    ...Object.fromEntries(barmanServerOptionNames.map((key) => [key, optionFact(server, key)])),
    active_model: plain(config.activeModel),
    disabled: plain(config.problems.length > 0),
    name: plain(config.name),
    passive_node: plain(config.isPassive),
  };
  const maximumAge = config.options.last_backup_maximum_age;
  values['last_backup_maximum_age'] =
    maximumAge === undefined
      ? { kind: 'backup-age', mostSeconds: undefined, seconds: undefined }
      : await backupAge(server, maximumAge, context);
  if (config.isActive && !config.isPassive) Object.assign(values, await readRemoteStatus(server, context));
  const own: Record<string, ServerFact> = {
    ...Object.fromEntries(ownServerOptionNames.map((key) => [key, optionFact(server, key)])),
    barman_home: plain(global.barman_home),
    barman_lock_directory: plain(global.barman_lock_directory),
    config_changes_queue: plain(global.config_changes_queue),
    lock_directory_cleanup: plain(global.lock_directory_cleanup),
    msg_list: plain(config.problems),
  };
  return { ...headingOf(config), description: config.options.description, values, own };
}

/** An option as it counts. */
export function optionFact({ config }: Server, key: (typeof serverOptionNames)[number]): ServerFact {
  const { options, retention } = config;
  switch (key) {
    case 'backup_options':
      return { kind: 'words', option: key, words: options.backup_options };
    case 'recovery_options':
      return { kind: 'words', option: key, words: options.recovery_options };
    case 'last_wal_maximum_age':
    case 'last_backup_maximum_age': {
      const seconds = options[key];
      return seconds === undefined ? plain(undefined) : { kind: 'span', seconds };
    }
    case 'retention_policy':
      return plain(retention.kind === 'enforced' ? formatRetentionPolicy(retention.policy) : options.retention_policy);
    case 'wal_retention_policy':
      return plain(retention.kind === 'enforced' ? 'MAIN' : options.wal_retention_policy);
    default:
      return plain(options[key]);
  }
}

async function backupAge(server: Server, mostSeconds: number, { clock }: Context): Promise<ServerFact> {
  const { backups } = await readBackupRecords(server.layout);
  const last = backups.findLast(isCopyDone);
  const seconds = last?.endTime == null ? undefined : Math.floor(clock.now().getTime() / 1000) - epochSeconds(last.endTime);
  return { kind: 'backup-age', mostSeconds, seconds };
}
