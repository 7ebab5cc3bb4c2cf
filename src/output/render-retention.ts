import type { RetentionItem, RetentionReport, WalRange, WalStanding } from '../operations/reports/retention-report.ts';
import type { Outlook } from '../retention/plan-retention.ts';
import type { JsonObject } from '../shared/format-json.ts';
import { epochSeconds, formatCTime, formatIsoTime, localTimestamp } from '../shared/timestamp.ts';
import { formatSize } from '../shared/units.ts';
import type { Report } from './report.ts';

/** `retention` of one server: each backup and each range of WAL with what becomes of it, and why. */
export function renderRetention(report: RetentionReport): Report {
  return { lines: linesOf(report), json: { [report.serverName]: jsonOf(report) } };
}

function linesOf(report: RetentionReport): string[] {
  const { backups, wals, deletions } = report;
  return [
    `Server ${report.serverName}:`,
    `\tPolicy: ${policyWords(report)}`,
    `\tMinimum redundancy: ${String(report.minimumRedundancy)}`,
    '',
    '\tBackups:',
    ...(backups.length === 0 ? ['\t\tnone'] : backups.flatMap(linesOfBackup)),
    '',
    '\tWAL:',
    ...(wals.length === 0 ? ['\t\tnone'] : wals.flatMap(linesOfWals)),
    '',
    `\t${summaryOf(report)}`,
    ...(deletions.length > 1 ? [`\tIn this order: ${deletions.join(', ')}`] : []),
  ];
}

function policyWords({ policy, insteadOf, isTrial }: RetentionReport): string {
  if (policy === undefined) return 'not enforced';
  if (!isTrial) return policy;
  return `${policy} (a trial; the configuration says ${insteadOf ?? 'nothing that is enforced'})`;
}

function linesOfBackup(item: RetentionItem): string[] {
  const { backup, type, verdict } = item;
  const name = backup.backupName === null ? '' : ` '${backup.backupName}'`;
  return [
    `\t\t${backup.id}${name} - ${type.charAt(0).toUpperCase()} - ${verdict.status}: ${futureOf(item)}`,
    `\t\t\t${verdict.reason}`,
  ];
}

function futureOf({ verdict, isHeld }: RetentionItem): string {
  if (isHeld) return 'goes when the running backup that is built on it has ended';
  return outlookWords(verdict.outlook);
}

function outlookWords(outlook: Outlook): string {
  switch (outlook.kind) {
    case 'now':
      return 'goes with the next cron';
    case 'at':
      return `stays until ${formatCTime(localTimestamp(dateOf(outlook.epochMicros)))}`;
    case 'after-backups':
      return `stays until there ${outlook.count === 1 ? 'is 1 more full backup' : `are ${String(outlook.count)} more full backups`}`;
    case 'after-newer-is-outside':
      return 'stays until a newer full backup is older than the window';
    case 'when-released':
      return 'stays until its keep is released';
    case 'never':
      return 'stays until it is deleted by hand';
  }
}

function linesOfWals(range: WalRange): string[] {
  const { first, last, files, bytes, standing } = range;
  const names = first === last ? first : `${first} to ${last}`;
  const count = `${String(files)} ${files === 1 ? 'file' : 'files'}, ${formatSize(bytes)}`;
  return [`\t\t${names} - ${count}: ${isGoing(standing) ? 'goes' : 'stays'}`, `\t\t\t${standingWords(standing)}`];
}

function standingWords(standing: WalStanding): string {
  switch (standing.kind) {
    case 'needed-by':
      return `backup ${standing.id} cannot be restored without it`;
    case 'recovery-from':
      return `recovery from backup ${standing.id} to any later point`;
    case 'needed-by-nothing':
      return 'nothing needs it: it goes when the next backup lets WAL go';
    case 'goes-with':
      return `it goes with backup ${standing.id}`;
    case 'history':
      return 'timeline histories always stay';
  }
}

function summaryOf({ backups, wals, deletions, policy }: RetentionReport): string {
  if (policy === undefined) return 'Nothing is deleted: no retention policy is enforced.';
  const going = wals.filter(({ standing }) => isGoing(standing));
  const gone = new Set<string>(deletions);
  const backupBytes = backups.filter(({ backup }) => gone.has(backup.id)).map(({ backup }) => backup.deduplicatedSize ?? 0);
  const walBytes = sum(going.map(({ bytes }) => bytes));
  const files = sum(going.map((range) => range.files));
  if (deletions.length === 0) return 'Nothing is obsolete.';
  return (
    `${String(deletions.length)} of ${String(backups.length)} backups (${formatSize(sum(backupBytes))})` +
    ` and ${String(files)} WAL files (${formatSize(walBytes)}) go.`
  );
}

function jsonOf(report: RetentionReport): JsonObject {
  const { policy, insteadOf, isTrial, minimumRedundancy, backups, deletions, wals } = report;
  return {
    policy: policy ?? null,
    is_trial: isTrial,
    configured_policy: (isTrial ? insteadOf : policy) ?? null,
    minimum_redundancy: minimumRedundancy,
    backups: backups.map(jsonOfBackup),
    deletions: [...deletions],
    wals: wals.map(jsonOfWals),
  };
}

function jsonOfBackup({ backup, type, verdict, isHeld }: RetentionItem): JsonObject {
  const { outlook } = verdict;
  const at = outlook.kind === 'at' ? localTimestamp(dateOf(outlook.epochMicros)) : undefined;
  return {
    backup_id: backup.id,
    ...(backup.backupName === null ? {} : { backup_name: backup.backupName }),
    backup_type: type,
    status: backup.status,
    retention_status: verdict.status,
    reason: verdict.reason,
    goes: verdict.status === 'OBSOLETE' && !isHeld,
    outlook: outlook.kind.replaceAll('-', '_'),
    obsolete_at: at === undefined ? null : formatIsoTime(at),
    obsolete_at_timestamp: at === undefined ? null : String(epochSeconds(at)),
    obsolete_after_backups: outlook.kind === 'after-backups' ? outlook.count : null,
  };
}

function jsonOfWals({ standing, timeline, first, last, files, bytes }: WalRange): JsonObject {
  return {
    timeline,
    first,
    last,
    files,
    size: formatSize(bytes),
    size_bytes: bytes,
    goes: isGoing(standing),
    standing: standing.kind.replaceAll('-', '_'),
    backup_id: 'id' in standing ? standing.id : null,
    reason: standingWords(standing),
  };
}

function isGoing(standing: WalStanding): boolean {
  return standing.kind === 'goes-with';
}

function dateOf(epochMicros: bigint): Date {
  return new Date(Number(epochMicros / 1000n));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
