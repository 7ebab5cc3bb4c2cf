import type { Backup, BackupId } from '../catalog/backup.ts';
import { formatRetentionPolicy, type RetentionPolicy, windowDays } from './retention-policy.ts';

/** A backup's standing (catalog.md section 15); `-` is a backup that is not DONE. */
export type RetentionStatus = 'VALID' | 'OBSOLETE' | 'OBSOLETE*' | 'KEEP:FULL' | 'KEEP:STANDALONE' | '-';

/** Target of a keep annotation. */
export type KeepTarget = 'full' | 'standalone';

export interface Verdict {
  readonly id: BackupId;
  readonly status: RetentionStatus;
  /** Why, for the log and for a dry run. */
  readonly reason: string;
}

export interface RetentionFacts {
  /** Every backup of the server, in any order; EMPTY ones are left out of the verdicts. */
  readonly backups: readonly Backup[];
  /** Keep annotations by backup. */
  readonly keeps: ReadonlyMap<BackupId, KeepTarget>;
  readonly policy: RetentionPolicy;
  readonly minimumRedundancy: number;
  readonly now: Date;
}

interface Standing {
  readonly status: RetentionStatus;
  readonly reason: string;
  /** What its incremental backups are. */
  readonly children: RetentionStatus;
}

/** Where the walk from the newest backup to the oldest has come to. */
interface Walk {
  /** DONE backups met so far; a kept one uses up a place too. */
  counted: number;
  /** A recovery window has found the backup that it begins from. */
  isWindowCovered: boolean;
}

type Redundancy = Extract<RetentionPolicy, { kind: 'redundancy' }>;
type RecoveryWindow = Extract<RetentionPolicy, { kind: 'recovery-window' }>;

const dayMicros = 86_400_000_000n;

/**
 * One verdict for each backup that is not EMPTY, newest first; incremental backups stand and fall with the full one that they begin
 * from (config-checks-hooks.md section 10.2, catalog.md section 15). Pure: deleting what is OBSOLETE is somebody else's work.
 */
export function planRetention(facts: RetentionFacts): readonly Verdict[] {
  const known = facts.backups.filter(({ status }) => status !== 'EMPTY');
  const newestFirst = known.toSorted((a, b) => (a.id < b.id ? 1 : -1));
  const byId = new Map(known.map((backup) => [backup.id, backup]));
  const walk: Walk = { counted: 0, isWindowCovered: false };
  const standings = new Map<BackupId, Standing>();
  for (const backup of newestFirst) {
    if (backup.parentBackupId === null) standings.set(backup.id, standingOf(backup, facts, walk));
  }
  return newestFirst.map((backup) => {
    const own = standings.get(backup.id);
    if (own !== undefined) return { id: backup.id, status: own.status, reason: own.reason };
    const root = rootOf(backup, byId);
    const standing = root === undefined ? undefined : standings.get(root.id);
    if (root === undefined || standing === undefined)
      return { id: backup.id, status: '-', reason: 'the backup that it begins from is missing' };
    return { id: backup.id, status: standing.children, reason: `it begins from ${root.id}: ${standing.reason}` };
  });
}

function standingOf(backup: Backup, facts: RetentionFacts, walk: Walk): Standing {
  if (backup.status !== 'DONE') return { status: '-', reason: `its status is ${backup.status}`, children: '-' };
  const { policy } = facts;
  const verdict =
    policy.kind === 'redundancy' ? byRedundancy(policy, facts.minimumRedundancy, walk) : byWindow(backup, policy, facts, walk);
  walk.counted += 1;
  return kept(verdict, facts.keeps.get(backup.id));
}

function byRedundancy(policy: Redundancy, minimum: number, walk: Walk): Standing {
  const places = Math.max(policy.count, minimum);
  const raised = places > policy.count ? `, raised to ${String(places)} by minimum_redundancy` : '';
  const rule = `${formatRetentionPolicy(policy)}${raised}`;
  if (walk.counted < places) return alike('VALID', `number ${String(walk.counted + 1)} of ${rule}`);
  return alike('OBSOLETE', `newer backups are enough for ${rule}`);
}

function byWindow(backup: Backup, policy: RecoveryWindow, facts: RetentionFacts, walk: Walk): Standing {
  const rule = formatRetentionPolicy(policy);
  if (!walk.isWindowCovered) {
    walk.isWindowCovered = endedBefore(backup, windowStartMicros(policy, facts.now));
    return alike('VALID', walk.isWindowCovered ? `${rule} is recovered from it` : `inside ${rule}`);
  }
  if (walk.counted < facts.minimumRedundancy) {
    return alike('OBSOLETE*', `outside ${rule}, but needed for minimum_redundancy = ${String(facts.minimumRedundancy)}`);
  }
  return alike('OBSOLETE', `outside ${rule}`);
}

function alike(status: RetentionStatus, reason: string): Standing {
  return { status, reason, children: status };
}

/** Lays a keep annotation over what the policy says. */
function kept(verdict: Standing, keep: KeepTarget | undefined): Standing {
  if (keep === undefined) return verdict;
  const reason = `kept as ${keep}; without that: ${verdict.reason}`;
  if (keep === 'full') return { status: 'KEEP:FULL', reason, children: 'VALID' };
  return { status: 'KEEP:STANDALONE', reason, children: verdict.status === 'VALID' ? 'VALID' : 'OBSOLETE' };
}

function windowStartMicros(policy: RecoveryWindow, now: Date): bigint {
  return BigInt(now.getTime()) * 1000n - BigInt(windowDays(policy)) * dayMicros;
}

function endedBefore(backup: Backup, micros: bigint): boolean {
  return backup.endTime !== null && backup.endTime.epochMicros < micros;
}

/** Undefined when an ancestor is missing, or the records go in a circle. */
function rootOf(backup: Backup, byId: ReadonlyMap<BackupId, Backup>): Backup | undefined {
  const seen = new Set<BackupId>();
  let current: Backup | undefined = backup;
  while (current !== undefined && current.parentBackupId !== null) {
    if (seen.has(current.id)) return undefined;
    seen.add(current.id);
    current = byId.get(current.parentBackupId);
  }
  return current;
}
