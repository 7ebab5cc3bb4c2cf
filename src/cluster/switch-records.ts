import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServerLayout } from '../catalog/server-layout.ts';
import { writeFileDurably } from '../shared/durable-file.ts';
import { isRecord } from '../shared/is-record.ts';
import { isMissing } from '../shared/look.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { formatLsn, type Lsn, parseLsn } from '../wal/lsn.ts';
import { parseSegmentName, type SegmentName } from '../wal/wal-name.ts';
import { type ClusterNode, isSameNode } from './cluster-node.ts';
import { dateFrom, type RememberedCluster } from './remembered-cluster.ts';

/** The WAL that is repeated after a switch: the archived file and the one that came again must agree so far. */
export interface RepeatedWal {
  /** Of the file that we held, which is archived, or kept aside in the receiver's folder. */
  readonly held: string;
  readonly again: SegmentName;
  /** Bytes of both that are of one history: up to the fork when that lies in the segment. */
  readonly bytes: number;
}

/** One change of the node that WAL is streamed from, and what it cost. */
export interface SwitchRecord {
  readonly at: Date;
  readonly from: string;
  readonly to: string;
  readonly oldTimeline: number;
  readonly newTimeline: number;
  /** Where the old timeline was left; undefined when it was not. */
  readonly fork: Lsn | undefined;
  /** The last position that we had of the old timeline. */
  readonly held: Lsn | undefined;
  /** WAL of the old timeline, as far as it was seen, that is not in the history of the new one. */
  readonly lostBytes: number;
  /** Whether the end of the old timeline was read on its primary; else there may be more that nobody saw. */
  readonly isLossExact: boolean;
  /** Segments that neither we nor any node has. */
  readonly gone: readonly SegmentName[];
  /** Segments that were fetched from another node than the one that is followed. */
  readonly fetched: number;
  readonly secondsWithoutStream: number | undefined;
  readonly repeated: RepeatedWal | undefined;
  /** How the comparison came out; undefined before it was made. */
  readonly continuity: 'verified' | 'differs' | undefined;
  readonly acknowledgedAt: Date | undefined;
}

/** Whether somebody has to look at a switch: WAL was lost, or what came again is something else. */
export function isUnacknowledged({ lostBytes, gone, continuity, acknowledgedAt }: SwitchRecord): boolean {
  return acknowledgedAt === undefined && (lostBytes > 0 || gone.length > 0 || continuity === 'differs');
}

/** The loss of a switch in a clause; undefined where nothing was lost. */
export function describeSwitchLoss({ lostBytes, gone, continuity, fork, oldTimeline }: SwitchRecord): string | undefined {
  const left = fork === undefined ? '' : `, which was left at ${formatLsn(fork)}`;
  const parts = [
    ...(lostBytes > 0 ? [`${String(lostBytes)} bytes of timeline ${String(oldTimeline)}${left}, are not in the new one`] : []),
    ...(gone.length > 0 ? [`no node had ${goneText(gone)} any more`] : []),
    ...(continuity === 'differs' ? ['the WAL that was received again differs from the archived WAL'] : []),
  ];
  return parts.length === 0 ? undefined : parts.join('; ');
}

function goneText(gone: readonly SegmentName[]): string {
  const [first = '', last = ''] = [gone[0], gone.at(-1)];
  return first === last ? `the WAL ${first}` : `the WAL from ${first} to ${last} (${String(gone.length)} segments)`;
}

/** Every switch of a server that was noted, oldest first. @throws OperatorError `file-unreadable` for a file that is damaged */
export async function readSwitches(layout: Pick<ServerLayout, 'root'>): Promise<readonly SwitchRecord[]> {
  const found = (await readStored(pathIn(layout))) ?? [];
  const acknowledgements = await readStored(acknowledgedIn(layout));
  const acknowledged = isRecord(acknowledgements) ? acknowledgements : {};
  return (Array.isArray(found) ? found : []).flatMap((each: unknown) =>
    isRecord(each) ? (recordFrom(each, acknowledged) ?? []) : [],
  );
}

async function readStored(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (isMissing(error)) return undefined;
    if (!(error instanceof SyntaxError)) throw error;
    throw new OperatorError('file-unreadable', `the history of switches ${path} is damaged`, {
      hint: 'move it away: it holds only the losses of earlier failovers',
    });
  }
}

/** Takes note that somebody knows of the losses of some switches: in a file of its own, as the receiver writes the other one meanwhile. */
export async function acknowledge(
  layout: Pick<ServerLayout, 'root'>,
  records: readonly SwitchRecord[],
  now: Date,
): Promise<void> {
  const before = await readStored(acknowledgedIn(layout));
  const more = records.map(({ at }) => [at.toISOString(), now.toISOString()] as const);
  const all = { ...(isRecord(before) ? before : {}), ...Object.fromEntries(more) };
  await writeFileDurably(acknowledgedIn(layout), `${JSON.stringify(all, undefined, 1)}\n`);
}

/** Adds a switch; one that was noted already, by a process that was killed behind it, is noted anew. */
export async function addSwitch(layout: Pick<ServerLayout, 'root'>, record: SwitchRecord): Promise<void> {
  const before = await readSwitches(layout);
  const last = before.at(-1);
  const isKnown =
    last !== undefined &&
    last.from === record.from &&
    last.to === record.to &&
    last.newTimeline === record.newTimeline &&
    last.fork === record.fork;
  await writeSwitches(layout, [...(isKnown ? before.slice(0, -1) : before), record]);
}

/**
 * Adds WAL to the last switch that its new primary removed before the stream began.
 * @returns false where the last switch is another one
 */
export async function addGone(
  layout: Pick<ServerLayout, 'root'>,
  { node, timeline }: { readonly node: ClusterNode; readonly timeline: number },
  gone: readonly SegmentName[],
): Promise<boolean> {
  const before = await readSwitches(layout);
  const last = before.at(-1);
  if (last === undefined || last.to !== node.name || last.newTimeline !== timeline) return false;
  const isRepeatedGone = last.repeated !== undefined && gone.includes(last.repeated.again);
  const repeated = isRepeatedGone ? undefined : last.repeated;
  const all = [...new Set([...last.gone, ...gone])];
  await writeSwitches(layout, [...before.slice(0, -1), { ...last, gone: all, repeated }]);
  return true;
}

interface LeftTimeline {
  /** That is followed now. */
  readonly node: ClusterNode;
  readonly fork: { readonly timeline: number; readonly at: Lsn } | undefined;
  /** The end of what we hold of the timeline that was left. */
  readonly held: Lsn | undefined;
}

/** The known WAL of the abandoned timeline after its fork: in the catalog, and on the node when it was last seen. */
export function lostBytesOf(
  { nodes, followed }: Pick<RememberedCluster, 'nodes' | 'followed'>,
  { fork, held, node }: LeftTimeline,
): bigint {
  if (fork === undefined) return 0n;
  const old = nodes.find((each) => followed !== undefined && isSameNode(each, followed) && !isSameNode(each, node));
  const seen = old?.timeline === fork.timeline ? old.position : undefined;
  return [seen, held].reduce((most, end) => (end !== undefined && end - fork.at > most ? end - fork.at : most), 0n);
}

/** Only the receiver does, which holds its lock, and `cron` where there is none. */
export async function writeSwitches(layout: Pick<ServerLayout, 'root'>, records: readonly SwitchRecord[]): Promise<void> {
  await writeFileDurably(pathIn(layout), `${JSON.stringify(records.map(switchJson), undefined, 1)}\n`);
}

/** A switch as it is stored, and as `show-cluster --history` prints it in JSON. */
export function switchJson(record: SwitchRecord) {
  const lsn = (position: Lsn | undefined): string | null => (position === undefined ? null : formatLsn(position));
  return {
    at: record.at.toISOString(),
    from: record.from,
    to: record.to,
    old_timeline: record.oldTimeline,
    new_timeline: record.newTimeline,
    fork_lsn: lsn(record.fork),
    held_lsn: lsn(record.held),
    lost_bytes: record.lostBytes,
    loss_is_exact: record.isLossExact,
    gone_segments: [...record.gone],
    fetched_segments: record.fetched,
    seconds_without_stream: record.secondsWithoutStream ?? null,
    repeated: record.repeated === undefined ? null : { ...record.repeated },
    continuity: record.continuity ?? null,
    acknowledged_at: record.acknowledgedAt?.toISOString() ?? null,
  };
}

function pathIn({ root }: Pick<ServerLayout, 'root'>): string {
  return join(root, '.pgcellar', 'switches.json');
}

function acknowledgedIn({ root }: Pick<ServerLayout, 'root'>): string {
  return join(root, '.pgcellar', 'acknowledged-switches.json');
}

function recordFrom(
  found: Readonly<Record<string, unknown>>,
  acknowledged: Readonly<Record<string, unknown>>,
): SwitchRecord | undefined {
  const { from, to, old_timeline: oldTimeline, new_timeline: newTimeline, continuity, gone_segments: gone } = found;
  const at = dateFrom(found['at']);
  if (at === undefined || typeof from !== 'string' || typeof to !== 'string') return undefined;
  if (typeof oldTimeline !== 'number' || typeof newTimeline !== 'number') return undefined;
  return {
    at,
    from,
    to,
    oldTimeline,
    newTimeline,
    fork: lsnFrom(found['fork_lsn']),
    held: lsnFrom(found['held_lsn']),
    lostBytes: numberFrom(found['lost_bytes']) ?? 0,
    isLossExact: found['loss_is_exact'] === true,
    gone: (Array.isArray(gone) ? gone : []).flatMap((name: unknown) => parseSegmentName(String(name)) ?? []),
    fetched: numberFrom(found['fetched_segments']) ?? 0,
    secondsWithoutStream: numberFrom(found['seconds_without_stream']),
    repeated: repeatedFrom(found['repeated']),
    continuity: continuity === 'verified' || continuity === 'differs' ? continuity : undefined,
    acknowledgedAt: dateFrom(acknowledged[at.toISOString()]),
  };
}

function repeatedFrom(value: unknown): RepeatedWal | undefined {
  if (!isRecord(value)) return undefined;
  const { held, again, bytes } = value;
  const segment = parseSegmentName(String(again));
  return typeof held === 'string' && segment !== undefined && typeof bytes === 'number'
    ? { held, again: segment, bytes }
    : undefined;
}

function lsnFrom(value: unknown): Lsn | undefined {
  return typeof value === 'string' ? parseLsn(value) : undefined;
}

function numberFrom(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
