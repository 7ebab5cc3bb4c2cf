import type { ObservedNode, ReachedNode } from '../cluster/cluster-node.ts';
import type { FollowingPlan, MissingSegment, StreamPlan } from '../cluster/plan-following.ts';
import type { ClusterReport } from '../operations/reports/cluster-report.ts';
import type { Json, JsonObject } from '../shared/format-json.ts';
import { formatSize } from '../shared/units.ts';
import { formatLsn, type Lsn } from '../wal/lsn.ts';
import type { Report } from './report.ts';

/** `show-cluster` of one server: its nodes, and the plan of the receiver. */
export function renderCluster(report: ClusterReport): Report {
  return { lines: linesOf(report), json: { [report.serverName]: jsonOf(report) } };
}

function linesOf(report: ClusterReport): string[] {
  const { serverName, view } = report;
  const { source, problem, nodes, plan } = view;
  return [
    `Server ${serverName}:`,
    `\tNodes from: ${source === 'off' ? 'conninfo (cluster_nodes = off: its primary is not followed)' : source}`,
    ...(problem === undefined ? [] : [`\tWARNING: ${problem}; the nodes are those that were seen last`]),
    ...nodes.flatMap((node) => ['', ...nodeLines(node, report)]),
    '',
    `\tPlan: ${planWords(plan)}`,
    ...planDetails(plan).map((line) => `\t\t${line}`),
  ];
}

function nodeLines(node: ObservedNode, report: ClusterReport): string[] {
  const marks = marksOf(node, report);
  const head = `\tNode ${node.name}${marks.length === 0 ? '' : ` (${marks.join(', ')})`}:`;
  return [head, ...rowsOf(node, report).map(([label, text]) => `\t\t${label}: ${text}`)];
}

function marksOf(node: ObservedNode, { streamsFrom, backsUpFrom }: ClusterReport): string[] {
  return [
    ...(isNode(node, streamsFrom) ? ['WAL is streamed from it'] : []),
    ...(isNode(node, backsUpFrom) ? ['backups are taken from it'] : []),
  ];
}

function isNode({ entry: a }: ObservedNode, other: { readonly entry: ObservedNode['entry'] } | undefined): boolean {
  const b = other?.entry;
  return b !== undefined && a.host === b.host && a.hostaddr === b.hostaddr && a.port === b.port;
}

function rowsOf(node: ObservedNode, report: ClusterReport): readonly (readonly [string, string])[] {
  if (node.kind === 'missed') return [['Status', `no answer (${node.reason})`]];
  const { upstream } = node;
  const slot = slotOf(node, report);
  const lag = lagOf(node, report);
  return [
    ['Role', node.isInRecovery ? 'standby' : 'primary'],
    ['Timeline', String(node.timeline)],
    ...(node.isInRecovery
      ? ([
          ['Upstream', upstream === undefined ? 'none' : `${upstream.host}:${upstream.port}`],
          ['Received', lsnText(node.flushed)],
          ['Replayed', lsnText(node.replayed)],
        ] as const)
      : ([['Position', lsnText(node.flushed)]] as const)),
    ...(lag === undefined ? [] : ([['Lag', formatSize(Number(lag))]] as const)),
    ...(report.slotName === undefined ? [] : ([['Slot', slot === undefined ? 'none' : slotWords(slot)]] as const)),
  ];
}

function slotOf(node: ReachedNode, { slotName }: ClusterReport) {
  return node.slots.find(({ name }) => name === slotName);
}

function slotWords({ name, isActive, restartLsn, walStatus, safeWalSize }: NonNullable<ReturnType<typeof slotOf>>): string {
  const words = [
    isActive ? 'active' : 'inactive',
    ...(restartLsn === undefined ? ['never used'] : [`holds WAL from ${formatLsn(restartLsn)}`]),
    ...(walStatus === undefined ? [] : [`wal_status ${walStatus}`]),
    ...(safeWalSize === undefined ? [] : [`${formatSize(Number(safeWalSize))} until WAL is removed`]),
  ];
  return `${name} (${words.join(', ')})`;
}

/** Bytes that a standby is behind the primary of the plan. */
function lagOf(node: ReachedNode, { view: { plan } }: ClusterReport): bigint | undefined {
  const end = 'node' in plan ? plan.node.flushed : undefined;
  if (!node.isInRecovery || end === undefined || node.replayed === undefined) return undefined;
  return end > node.replayed ? end - node.replayed : 0n;
}

function lsnText(lsn: Lsn | undefined): string {
  return lsn === undefined ? 'unknown' : formatLsn(lsn);
}

function planWords(plan: FollowingPlan): string {
  switch (plan.kind) {
    case 'stay':
      return `stay with ${plan.node.name}, from ${formatLsn(plan.from)} on timeline ${String(plan.timeline)}`;
    case 'follow':
      return `follow ${plan.node.name}, from ${formatLsn(plan.from)} on timeline ${String(plan.timeline)}`;
    case 'wait':
      return `wait (${plan.reason})`;
    case 'refuse':
      return `refuse (${plan.name}): ${plan.reason}`;
  }
}

function planDetails(plan: FollowingPlan): string[] {
  if (plan.kind === 'wait') return [];
  if (plan.kind === 'refuse') return [`Remedy: ${plan.remedy}`];
  return [
    ...forkWords(plan),
    ...(plan.slot === 'create' ? ['the replication slot is created there'] : []),
    ...(plan.slot === 'recreate' ? ['the replication slot, which lost WAL, is made anew there'] : []),
    ...plan.missing.map(missingWords),
    ...plan.stale.map(
      ({ name }) => `${name} still runs as a primary of a timeline that was left: stop it, and rebuild it as a standby`,
    ),
  ];
}

function forkWords({ fork, pastFork }: StreamPlan): string[] {
  if (fork === undefined) return [];
  const left = `timeline ${String(fork.timeline)} was left at ${formatLsn(fork.at)} for timeline ${String(fork.next)}`;
  if (pastFork === 0n) return [left];
  return [left, `${String(pastFork)} bytes after it are archived but not in the history of the node; they stay in the archive`];
}

function missingWords({ segment, from }: MissingSegment): string {
  return from === undefined ? `${segment} is missing, and no node has it any more` : `${segment} is fetched from ${from.name}`;
}

function jsonOf(report: ClusterReport): JsonObject {
  const { source, problem, nodes, plan } = report.view;
  return {
    source,
    source_problem: problem ?? null,
    nodes: nodes.map((node) => nodeJson(node, report)),
    plan: planJson(plan),
  };
}

function nodeJson(node: ObservedNode, report: ClusterReport): JsonObject {
  const { entry, name } = node;
  const base = {
    name,
    host: entry.host === '' ? entry.hostaddr : entry.host,
    port: entry.port,
    is_streamed_from: isNode(node, report.streamsFrom),
    is_backed_up_from: isNode(node, report.backsUpFrom),
  };
  if (node.kind === 'missed') return { ...base, status: 'unreachable', reason: node.reason };
  const slot = slotOf(node, report);
  const lag = lagOf(node, report);
  return {
    ...base,
    status: 'running',
    role: node.isInRecovery ? 'standby' : 'primary',
    systemid: node.systemid,
    timeline: node.timeline,
    written_lsn: lsnJson(node.written),
    flushed_lsn: lsnJson(node.flushed),
    replayed_lsn: lsnJson(node.replayed),
    lag_bytes: lag === undefined ? null : Number(lag),
    upstream: node.upstream === undefined ? null : { ...node.upstream },
    slot:
      slot === undefined
        ? null
        : {
            name: slot.name,
            active: slot.isActive,
            restart_lsn: lsnJson(slot.restartLsn),
            wal_status: slot.walStatus ?? null,
            safe_wal_size: slot.safeWalSize === undefined ? null : Number(slot.safeWalSize),
          },
  };
}

function lsnJson(lsn: Lsn | undefined): Json {
  return lsn === undefined ? null : formatLsn(lsn);
}

function planJson(plan: FollowingPlan): JsonObject {
  if (plan.kind === 'wait') return { kind: plan.kind, reason: plan.reason };
  if (plan.kind === 'refuse') return { kind: plan.kind, refusal: plan.name, reason: plan.reason, remedy: plan.remedy };
  const { fork } = plan;
  return {
    kind: plan.kind,
    node: plan.node.name,
    timeline: plan.timeline,
    from_lsn: formatLsn(plan.from),
    restart_segment: plan.restart ?? null,
    fork: fork === undefined ? null : { timeline: fork.timeline, lsn: formatLsn(fork.at), next_timeline: fork.next },
    past_fork_bytes: Number(plan.pastFork),
    slot: plan.slot,
    missing: plan.missing.map(({ segment, from }) => ({ segment, from: from?.name ?? null })),
    stale_primaries: plan.stale.map(({ name }) => name),
  };
}
