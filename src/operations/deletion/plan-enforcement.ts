import type { KeepTarget } from '../../catalog/backups/annotations.ts';
import type { Backup, BackupId } from '../../catalog/backups/backup.ts';
import { type WalDeletion, WalDeletionPlanner } from '../../catalog/backups/plan-deletion.ts';
import type { Verdict } from '../../retention/plan-retention.ts';

/** One backup that retention deletes, and the WAL that goes with it. */
export interface PlannedDeletion {
  readonly backup: Backup;
  readonly reason: string;
  readonly wal: WalDeletion;
}

interface EnforcementFacts {
  /** Every backup of the server, oldest first. */
  readonly backups: readonly Backup[];
  readonly keeps: ReadonlyMap<BackupId, KeepTarget>;
  readonly verdicts: readonly Verdict[];
}

/**
 * The backups that retention deletes, in their order: the oldest tree first, in it children before their parents, so that an interruption at any
 * place leaves no incremental backup without what it is built on. What a running backup is built on stays until that has ended.
 */
export function planEnforcement({ backups, keeps, verdicts }: EnforcementFacts): readonly PlannedDeletion[] {
  const reasons = new Map(verdicts.filter(({ status }) => status === 'OBSOLETE').map(({ id, reason }) => [id, reason]));
  const tree = new Tree(backups);
  const going = backups
    .filter(({ id }) => reasons.has(id) && !tree.hasUnfinished(id))
    .toSorted((a, b) => tree.order(a.id, b.id));
  const planner = new WalDeletionPlanner({ backups, keeps, looksPastStandalone: true });
  return going.map((backup) => {
    const wal = planner.plan(backup);
    planner.drop(backup);
    return { backup, reason: reasons.get(backup.id) ?? '', wal };
  });
}

/** Backups by what they are built on. */
class Tree {
  readonly #parents: ReadonlyMap<BackupId, BackupId | null>;
  readonly #numbers: ReadonlyMap<BackupId, number>;
  readonly #unfinished = new Set<BackupId>();

  /** @param backups oldest first */
  constructor(backups: readonly Backup[]) {
    this.#numbers = new Map(backups.map(({ id }, number) => [id, number]));
    this.#parents = new Map(backups.map(({ id, parentBackupId }) => [id, parentBackupId]));
    for (const { id, status } of backups) {
      if (['EMPTY', 'STARTED', 'SYNCING'].includes(status)) for (const each of this.#line(id)) this.#unfinished.add(each);
    }
  }

  /** It is being made, or one that is being made is built on it. */
  hasUnfinished(id: BackupId): boolean {
    return this.#unfinished.has(id);
  }

  order(a: BackupId, b: BackupId): number {
    const [lineA, lineB] = [this.#line(a), this.#line(b)];
    const [rootA, rootB] = [lineA.at(-1) ?? a, lineB.at(-1) ?? b];
    if (rootA !== rootB) return this.#age(rootA) - this.#age(rootB) || (rootA < rootB ? -1 : 1);
    return lineB.length - lineA.length || this.#age(b) - this.#age(a);
  }

  /** The oldest one has the smallest; what is not there is older than all. */
  #age(id: BackupId): number {
    return this.#numbers.get(id) ?? -1;
  }

  /** A backup and what it is built on, itself first. */
  #line(id: BackupId): readonly BackupId[] {
    const line: BackupId[] = [];
    for (let next: BackupId | null | undefined = id; next != null && !line.includes(next); next = this.#parents.get(next)) {
      line.push(next);
    }
    return line;
  }
}
