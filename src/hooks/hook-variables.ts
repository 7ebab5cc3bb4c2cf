import type { Backup } from '../catalog/backups/backup.ts';
import { formatJson, type Json } from '../shared/format-json.ts';
import { formatPythonFloat } from '../shared/python-literal.ts';
import type { HookVariables } from './run-hooks.ts';

interface BackupHookFacts {
  readonly backup: Backup;
  readonly folder: string;
  readonly infoPath: string;
  readonly previousId: string | undefined;
  readonly nextId: string | undefined;
}

/** Variables of the backup, delete and recovery hooks (docs/reference/config-checks-hooks.md section 12). */
export function backupHookVariables({ backup, folder, infoPath, previousId, nextId }: BackupHookFacts): HookVariables {
  return {
    BARMAN_BACKUP_DIR: folder,
    BARMAN_BACKUP_ID: backup.id,
    BARMAN_BACKUP_INFO_PATH: infoPath,
    BARMAN_PREVIOUS_ID: previousId ?? '',
    BARMAN_NEXT_ID: nextId ?? '',
    BARMAN_STATUS: backup.status,
  };
}

interface WalHookFacts {
  readonly segment: string;
  readonly file: string;
  readonly sizeBytes: number;
  readonly epochSeconds: number;
  readonly compression: string | null;
}

/** Variables of the archive and wal_delete hooks. */
export function walHookVariables({ segment, file, sizeBytes, epochSeconds, compression }: WalHookFacts): HookVariables {
  return {
    BARMAN_SEGMENT: segment,
    BARMAN_FILE: file,
    BARMAN_SIZE: String(sizeBytes),
    BARMAN_TIMESTAMP: formatPythonFloat(epochSeconds),
    BARMAN_COMPRESSION: compression ?? '',
  };
}

interface RecoveryHookFacts {
  readonly destination: string;
  /** The ssh command that leads to another host. */
  readonly remoteCommand: string | undefined;
  readonly tablespaces: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, Json | undefined>>;
}

/** Variables of the recovery hooks, beside those of the backup. */
export function recoveryHookVariables({ destination, remoteCommand, tablespaces, options }: RecoveryHookFacts): HookVariables {
  return {
    BARMAN_DESTINATION_DIRECTORY: destination,
    BARMAN_TABLESPACES: sortedJson(tablespaces),
    BARMAN_REMOTE_COMMAND: remoteCommand ?? '',
    BARMAN_RECOVER_OPTIONS: sortedJson(options),
  };
}

/** As Barman's scripts know it: keys sorted, a blank behind each comma and colon; empty when there is nothing. */
function sortedJson(values: Readonly<Record<string, Json | undefined>>): string {
  const entries = Object.entries(values).filter(
    (entry): entry is [string, Json] => entry[1] !== undefined && entry[1] !== false,
  );
  return entries.length === 0 ? '' : formatJson(Object.fromEntries(entries), { sortKeys: true });
}
