import { type Backup, isCopyDone } from '../catalog/backups/backup.ts';
import { formatLsn } from '../wal/lsn.ts';
import type { SummaryGap } from '../wal/summary-gap.ts';

/** The facts that are known before an incremental backup. */
export interface ParentFacts {
  readonly serverName: string;
  /** As servers count: 170012. */
  readonly serverVersion: number;
  /** `summarize_wal` now; undefined below 17. */
  readonly summarizeWal: string | undefined;
  /** System identifier of the server; undefined when the role may not ask. */
  readonly systemid: string | undefined;
  /** The backup that is to be built on, then the one that it is built on, and so on to the full one. */
  readonly chain: readonly [Backup, ...Backup[]];
  /** Id of a backup that the last one of the chain names and that is not there. */
  readonly missingAncestor: string | undefined;
  /** Members whose deletion began. */
  readonly going: ReadonlySet<string>;
  /** Members whose folder has no `backup_manifest`. */
  readonly withoutManifest: ReadonlySet<string>;
  /** WAL since the parent's begin that the server has not summarized and will not; undefined when there is none. */
  readonly gap: SummaryGap | undefined;
}

/** Why a backup cannot be built on another one, and what to do. */
export interface ParentRefusal {
  readonly reason: string;
  readonly hint: string;
}

const incrementalSince = 170_000;
const takeFull = 'take a full backup: it can be the parent of the next ones';

/**
 * Whether an incremental backup can be built on a parent (docs/reference/engine.md section 7): its chain must be whole and usable, of this cluster, and
 * the server must have summarized all WAL since. Barman only looks at `summarize_wal`, and lets `pg_basebackup` find out the rest.
 * @returns undefined when nothing speaks against it
 */
export function judgeParent(facts: ParentFacts): ParentRefusal | undefined {
  return judgeServer(facts) ?? judgeChain(facts) ?? judgeSummaries(facts);
}

function judgeServer({ serverVersion, summarizeWal, serverName }: ParentFacts): ParentRefusal | undefined {
  if (serverVersion < incrementalSince) {
    const major = String(Math.floor(serverVersion / 10_000));
    return {
      reason: `incremental backups need PostgreSQL 17 or newer: server '${serverName}' is version ${major}`,
      hint: 'take a full backup',
    };
  }
  if (summarizeWal === 'on') return undefined;
  return {
    reason: `incremental backups need summarize_wal = on on server '${serverName}'`,
    hint: "ALTER SYSTEM SET summarize_wal = 'on'; SELECT pg_reload_conf(); then take a full backup, on which others can be built",
  };
}

function judgeChain({ chain, missingAncestor, systemid, going, withoutManifest }: ParentFacts): ParentRefusal | undefined {
  const [parent] = chain;
  if (parent.mode !== 'postgres') {
    return { reason: `backup ${parent.id} was not taken with backup_method = postgres`, hint: takeFull };
  }
  if (systemid !== undefined && parent.systemid !== null && parent.systemid !== systemid) {
    return {
      reason: `backup ${parent.id} is of another cluster: its system identifier is ${parent.systemid}, that of the server ${systemid}`,
      hint: takeFull,
    };
  }
  if (parent.summarizeWal !== 'on') {
    return {
      reason: `backup ${parent.id} was taken while summarize_wal was ${parent.summarizeWal ?? 'not known'}`,
      hint: takeFull,
    };
  }
  for (const member of chain) {
    const problem = memberProblem(member, { going, withoutManifest });
    if (problem === undefined) continue;
    const which = member === parent ? `backup ${member.id}` : `backup ${member.id}, which ${parent.id} is built on,`;
    return { reason: `${which} ${problem}`, hint: `choose another parent, or ${takeFull}` };
  }
  if (missingAncestor === undefined) return undefined;
  return { reason: `backup ${missingAncestor}, which ${parent.id} is built on, is missing`, hint: takeFull };
}

function memberProblem(
  member: Backup,
  { going, withoutManifest }: Pick<ParentFacts, 'going' | 'withoutManifest'>,
): string | undefined {
  if (going.has(member.id)) return 'is being deleted';
  if (!isCopyDone(member)) return `cannot be used: its status is ${member.status}`;
  return withoutManifest.has(member.id) ? 'has no backup_manifest any more' : undefined;
}

function judgeSummaries({ chain: [parent], gap, serverName }: ParentFacts): ParentRefusal | undefined {
  if (gap === undefined) return undefined;
  const until = gap.to === undefined ? '' : ` to ${formatLsn(gap.to)}`;
  return {
    reason: `server '${serverName}' has no WAL summaries from ${formatLsn(gap.from)}${until}, and an incremental backup on ${parent.id} needs them`,
    hint: `${takeFull}; wal_summary_keep_time must be longer than the time between full backups`,
  };
}
