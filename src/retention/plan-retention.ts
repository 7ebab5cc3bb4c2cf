import { type Backup, type BackupId, byAge } from '../catalog/backups/backup.ts';
import { formatRetentionPolicy, type RetentionPolicy, windowDays } from './retention-policy.ts';

/** A backup's standing (docs/reference/catalog.md section 15); `-` is a backup that is not DONE. */
export type RetentionStatus = 'VALID' | 'OBSOLETE' | 'OBSOLETE*' | 'KEEP:FULL' | 'KEEP:STANDALONE' | '-';

/** Target of a keep annotation. */
export type KeepTarget = 'full' | 'standalone';

/** When a backup becomes obsolete, as far as that can be known today. */
export type Outlook =
  /** It is obsolete. */
  | { readonly kind: 'now' }
  /** At this instant, in microseconds since the epoch, whatever happens until then. */
  | { readonly kind: 'at'; readonly epochMicros: bigint }
  /** When so many more full backups are DONE. */
  | { readonly kind: 'after-backups'; readonly count: number }
  /** When a newer full backup has become older than the recovery window. */
  | { readonly kind: 'after-newer-is-outside' }
  /** When its keep is released. */
  | { readonly kind: 'when-released' }
  /** Never by itself: the policy does not judge it. */
  | { readonly kind: 'never' };

export interface Verdict {
  readonly id: BackupId;
  readonly status: RetentionStatus;
  /** Why, for the log and for a dry run. */
  readonly reason: string;
  readonly outlook: Outlook;
}

export interface RetentionFacts {
  /** Every backup of the server, in any order; EMPTY ones are left out of the verdicts. */
  readonly backups: readonly Backup[];
  /** Keep annotations by backup. */
  readonly keeps: ReadonlyMap<BackupId, KeepTarget>;
  readonly policy: RetentionPolicy;
  readonly minimumRedundancy: number;
  readonly now: Date;
  /** Backups whose record is there and whose files are gone: none of them is the last good one. */
  readonly lost?: ReadonlySet<BackupId>;
}

type JudgingFacts = RetentionFacts & { readonly ends: ReadonlyMap<BackupId, bigint> };

interface Standing {
  readonly status: RetentionStatus;
  readonly reason: string;
  readonly outlook: Outlook;
  /** The kind of its incremental backups. */
  readonly children: RetentionStatus;
}

/** Where the walk from the newest backup to the oldest has come to. */
interface Walk {
  /** DONE backups met so far; a kept one uses up a place too. */
  counted: number;
  /** A recovery window has found the backup that it begins from. */
  isWindowCovered: boolean;
  /** The earliest end among the DONE backups met so far. */
  earliestEnd: bigint | undefined;
}

type Redundancy = Extract<RetentionPolicy, { kind: 'redundancy' }>;
type RecoveryWindow = Extract<RetentionPolicy, { kind: 'recovery-window' }>;

const dayMicros = 86_400_000_000n;

/**
 * One verdict for each backup that is not EMPTY, newest first; incremental backups stand and fall with the full one that they begin
 * from (docs/reference/config-checks-hooks.md section 10.2, docs/reference/catalog.md section 15). The last good full backup is never OBSOLETE, whatever the policy
 * says. Pure: deleting what is OBSOLETE is somebody else's work.
 */
export function planRetention(facts: RetentionFacts): readonly Verdict[] {
  const known = facts.backups.filter(({ status }) => status !== 'EMPTY');
  const oldestFirst = byAge(known);
  const newestFirst = oldestFirst.toReversed();
  const judging = { ...facts, ends: endsOf(oldestFirst, facts.now) };
  const byId = new Map(known.map((backup) => [backup.id, backup]));
  const roots = newestFirst.filter(({ parentBackupId }) => parentBackupId === null);
  const lastGood = roots.find(({ id, status }) => status === 'DONE' && facts.lost?.has(id) !== true);
  const walk: Walk = { counted: 0, isWindowCovered: false, earliestEnd: undefined };
  const standings = new Map<BackupId, Standing>();
  for (const root of roots) {
    const standing = standingOf(root, judging, walk);
    standings.set(root.id, root === lastGood ? heldBack(standing) : standing);
  }
  return newestFirst.map((backup) => verdictOf(backup, standings, byId));
}

function verdictOf(backup: Backup, standings: ReadonlyMap<BackupId, Standing>, byId: ReadonlyMap<BackupId, Backup>): Verdict {
  const { id } = backup;
  const own = standings.get(id);
  if (own !== undefined) return { id, status: own.status, reason: own.reason, outlook: own.outlook };
  const root = rootOf(backup, byId);
  const standing = root === undefined ? undefined : standings.get(root.id);
  if (root === undefined || standing === undefined) {
    return { id, status: '-', reason: 'the backup that it begins from is missing', outlook: { kind: 'never' } };
  }
  const outlook: Outlook = standing.children === 'OBSOLETE' ? { kind: 'now' } : standing.outlook;
  return { id, status: standing.children, reason: `it begins from ${root.id}: ${standing.reason}`, outlook };
}

function standingOf(backup: Backup, facts: JudgingFacts, walk: Walk): Standing {
  if (backup.status !== 'DONE') {
    return { status: '-', reason: `its status is ${backup.status}`, outlook: { kind: 'never' }, children: '-' };
  }
  const { policy } = facts;
  const verdict =
    policy.kind === 'redundancy' ? byRedundancy(policy, facts.minimumRedundancy, walk) : byWindow(backup, policy, facts, walk);
  walk.counted += 1;
  const end = facts.ends.get(backup.id);
  if (end !== undefined && (walk.earliestEnd === undefined || end < walk.earliestEnd)) walk.earliestEnd = end;
  return kept(verdict, facts.keeps.get(backup.id));
}

function byRedundancy(policy: Redundancy, minimum: number, walk: Walk): Standing {
  const places = Math.max(policy.count, minimum);
  const raised = places > policy.count ? `, raised to ${String(places)} by minimum_redundancy` : '';
  const rule = `${formatRetentionPolicy(policy)}${raised}`;
  const left = places - walk.counted;
  if (left > 0) {
    const outlook: Outlook = { kind: 'after-backups', count: left };
    return alike('VALID', `number ${String(walk.counted + 1)} of ${rule}`, outlook);
  }
  return alike('OBSOLETE', `newer backups are enough for ${rule}`, { kind: 'now' });
}

function byWindow(backup: Backup, policy: RecoveryWindow, facts: JudgingFacts, walk: Walk): Standing {
  const rule = formatRetentionPolicy(policy);
  const missing = facts.minimumRedundancy - walk.counted;
  if (!walk.isWindowCovered) {
    walk.isWindowCovered = endedBefore(facts.ends.get(backup.id), windowStartMicros(policy, facts.now));
    const reason = walk.isWindowCovered ? `${rule} is recovered from it` : `inside ${rule}`;
    return alike('VALID', reason, outlookInside(policy, walk.earliestEnd, missing));
  }
  if (missing > 0) {
    const reason = `outside ${rule}, but needed for minimum_redundancy = ${String(facts.minimumRedundancy)}`;
    return alike('OBSOLETE*', reason, { kind: 'after-backups', count: missing });
  }
  return alike('OBSOLETE', `outside ${rule}`, { kind: 'now' });
}

/** A backup leaves the window when the first of the newer ones has: from then on the window is recovered from that one. */
function outlookInside(policy: RecoveryWindow, earliestNewerEnd: bigint | undefined, missing: number): Outlook {
  if (earliestNewerEnd === undefined) return { kind: 'after-newer-is-outside' };
  if (missing > 0) return { kind: 'after-backups', count: missing };
  return { kind: 'at', epochMicros: earliestNewerEnd + windowMicros(policy) };
}

function alike(status: RetentionStatus, reason: string, outlook: Outlook): Standing {
  return { status, reason, outlook, children: status };
}

/** The last good full backup, and what is built on it, stays when the policy would have none left. */
function heldBack(standing: Standing): Standing {
  if (standing.status !== 'OBSOLETE') return standing;
  const reason = `${standing.reason}; but it is the last good full backup`;
  return alike('OBSOLETE*', reason, { kind: 'after-backups', count: 1 });
}

/** Lays a keep annotation over what the policy says. */
function kept(verdict: Standing, keep: KeepTarget | undefined): Standing {
  if (keep === undefined) return verdict;
  const reason = `kept as ${keep}; without that: ${verdict.reason}`;
  const outlook: Outlook = { kind: 'when-released' };
  if (keep === 'full') return { status: 'KEEP:FULL', reason, outlook, children: 'VALID' };
  return { status: 'KEEP:STANDALONE', reason, outlook, children: verdict.status === 'VALID' ? 'VALID' : 'OBSOLETE' };
}

function windowStartMicros(policy: RecoveryWindow, now: Date): bigint {
  return BigInt(now.getTime()) * 1000n - windowMicros(policy);
}

function windowMicros(policy: RecoveryWindow): bigint {
  return BigInt(windowDays(policy)) * dayMicros;
}

function endedBefore(end: bigint | undefined, micros: bigint): boolean {
  return end !== undefined && end < micros;
}

/**
 * When each backup ended, as far as a clock is to be believed: not before an older one began. A clock that was set back must not carry
 * the newest backup out of the window.
 */
function endsOf(oldestFirst: readonly Backup[], now: Date): ReadonlyMap<BackupId, bigint> {
  const ends = new Map<BackupId, bigint>();
  const nowMicros = BigInt(now.getTime()) * 1000n;
  let latestBegin: bigint | undefined;
  for (const { id, beginTime, endTime } of oldestFirst) {
    const end = endTime?.epochMicros;
    if (end !== undefined) ends.set(id, latestBegin === undefined || end > latestBegin ? end : latestBegin);
    const begin = beginTime?.epochMicros;
    const isPast = begin !== undefined && begin <= nowMicros;
    if (isPast && (latestBegin === undefined || begin > latestBegin)) latestBegin = begin;
  }
  return ends;
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
