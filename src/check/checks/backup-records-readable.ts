import { readFile } from 'node:fs/promises';
import type { BackupId } from '../../catalog/backups/backup.ts';
import { backupFilesOf } from '../../catalog/backups/backup-files.ts';
import { parseBackupInfo, requirePossible } from '../../catalog/backups/backup-info.ts';
import { backupInfoPath } from '../../catalog/server-layout.ts';
import { expectedFailureOf, systemCodeOf } from '../../shared/operator-error.ts';
import type { Check, CheckFacts } from '../check.ts';
import { mendedBy, type NamedRemedy } from '../remedies.ts';
import { failed } from '../verdict.ts';

/** Every backup record can be read. */
export const backupRecordsReadable: Check = {
  name: 'backup records',
  appliesTo: 'every',
  isCritical: false,
  about: 'Not in Barman',
  meaning: 'A `backup.info` cannot be read; its backup is missing from all lists.',
  remedies: ['record-broken', 'record-lost', 'unreadable'],
  isShownOnlyWhenFailed: true,
  async run(facts) {
    const reason = reasonOf(facts);
    return reason === undefined ? undefined : failed(reason, await remedyFor(facts));
  },
};

function reasonOf({ broken, recordsFailure }: CheckFacts): string | undefined {
  if (recordsFailure !== undefined) return recordsFailure.message;
  const [first] = broken;
  if (first === undefined) return undefined;
  const others = broken.length - 1;
  return `${first.reason.message}${others === 0 ? '' : `, and ${String(others)} more`}`;
}

/** The copy beside the files of the backup is as good as the record, when it can be read. */
async function remedyFor({ server: { layout }, broken: [first], recordsFailure }: CheckFacts): Promise<NamedRemedy> {
  if (first === undefined) {
    const { message, hint } = recordsFailure ?? {};
    return mendedBy('unreadable', { reason: message ?? '', advice: hint ?? 'see the log file' });
  }
  const { id: backup } = first;
  const [record, copy] = [backupInfoPath(layout, backup), backupFilesOf(layout, backup).recordCopyPath];
  if (await isSound(copy, backup)) return mendedBy('record-broken', { backup, copy, record });
  return mendedBy('record-lost', { backup, record });
}

async function isSound(path: string, id: BackupId): Promise<boolean> {
  try {
    requirePossible(parseBackupInfo(await readFile(path, 'utf8'), id, path), path);
    return true;
  } catch (error) {
    if (expectedFailureOf(error) !== undefined || systemCodeOf(error) !== undefined) return false;
    throw error;
  }
}
