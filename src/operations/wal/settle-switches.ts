import { compareRepeated } from '../../archive/compare-repeated.ts';
import type { ObservedNode } from '../../cluster/cluster-node.ts';
import type { RememberedCluster } from '../../cluster/remembered-cluster.ts';
import { describeSwitchLoss, readSwitches, type SwitchRecord, writeSwitches } from '../../cluster/switch-records.ts';
import type { Server } from '../../config/server.ts';
import type { Context } from '../../shared/context.ts';
import type { Messages } from '../../shared/messages.ts';
import { formatLsn } from '../../wal/lsn.ts';
import { segmentStart } from '../../wal/wal-name.ts';
import { readLeftEnd } from './read-left-end.ts';

/** Switches that one look may read WAL for; several are open when one follows another before a look. */
const mostCompared = 5;
/** How often, and how long after a switch, the end of the timeline that was left is asked for. */
const lossesEveryMs = 60_000;
const lossesForMs = 24 * 3_600_000;

/** The cluster while WAL is streamed. */
interface StreamedCluster {
  readonly nodes: readonly ObservedNode[];
  readonly known: RememberedCluster['nodes'];
  readonly segmentSize: number;
}

/** Warns of the loss of a switch, if there is one. */
export function warnOfSwitchLoss(record: SwitchRecord, messages: Messages): void {
  const loss = describeSwitchLoss(record);
  if (loss !== undefined) messages.warning(`WAL was lost in the switch to ${record.to}: ${loss}`);
}

/** Finds out what is not known yet about the switches of a server, while WAL is streamed. The caller holds the receive-wal lock. */
export class SwitchSettler {
  readonly #server: Server;
  #lossesReadAt: number | undefined;

  constructor(server: Server) {
    this.#server = server;
  }

  /** @throws OperatorError `file-unreadable` for a history of switches that is damaged; `interrupted` */
  async settle(cluster: StreamedCluster, context: Context): Promise<void> {
    const { layout } = this.#server;
    const before = await readSwitches(layout);
    const compared = await this.#compare(before, cluster, context.messages);
    if (compared !== before) await writeSwitches(layout, compared);
    const counted = await this.#readLoss(compared, cluster, context); // which may take a while
    if (counted !== compared) await writeSwitches(layout, counted);
  }

  /** WAL that came again after a switch must equal the WAL in the catalog. @returns `records` themselves where nothing was found out */
  async #compare(
    records: readonly SwitchRecord[],
    { segmentSize }: StreamedCluster,
    messages: Messages,
  ): Promise<readonly SwitchRecord[]> {
    const open = records.filter(({ repeated, continuity }) => repeated !== undefined && continuity === undefined);
    const outcomes = new Map<SwitchRecord, SwitchRecord['continuity']>();
    for (const record of open.slice(-mostCompared))
      outcomes.set(record, await this.#compareSwitch(record, segmentSize, messages));
    if ([...outcomes.values()].every((outcome) => outcome === undefined)) return records;
    return records.map((record) => ({ ...record, continuity: outcomes.get(record) ?? record.continuity }));
  }

  async #compareSwitch(
    { repeated, to }: SwitchRecord,
    segmentSize: number,
    messages: Messages,
  ): Promise<SwitchRecord['continuity']> {
    if (repeated === undefined) return undefined;
    const outcome = await compareRepeated(this.#server, repeated);
    if (outcome === undefined) return undefined;
    const { again, held } = repeated;
    if (outcome.kind === 'different') {
      messages.error(`WAL is not continuous over the switch to ${to}: ${again} differs from ${held} before the fork`);
      return 'differs';
    }
    const at = formatLsn(segmentStart(again, segmentSize));
    messages.info(
      `WAL is continuous over the switch to ${to}: ${String(outcome.bytes)} bytes from ${at} on are the same in ${held} and ${again}`,
    );
    return 'verified';
  }

  /**
   * A primary that died may have written more than anybody was sent: its files tell, when its host is there again before it is rebuilt. Not asked
   * before the stream goes on, nor more often than each minute: a host that is gone costs a time limit.
   * @returns `records` themselves where nothing was found out
   */
  async #readLoss(
    records: readonly SwitchRecord[],
    { nodes, known, segmentSize }: StreamedCluster,
    context: Context,
  ): Promise<readonly SwitchRecord[]> {
    if (this.#server.config.options.cluster_ssh === undefined) return records;
    const now = context.clock.now().getTime();
    if (this.#lossesReadAt !== undefined && now - this.#lossesReadAt < lossesEveryMs) return records;
    this.#lossesReadAt = now;
    const open = records.findLast(({ isLossExact, at }) => !isLossExact && now - at.getTime() < lossesForMs);
    const node = nodes.find(({ name }) => name === open?.from);
    const dataDirectory = known.find(({ name }) => name === open?.from)?.dataDirectory;
    if (open?.fork === undefined || node === undefined || node.kind === 'reached' || dataDirectory === undefined)
      return records;
    const { fork, oldTimeline: timeline, newTimeline } = open;
    const end = await readLeftEnd(this.#server, { node, dataDirectory, timeline, fork, newTimeline, segmentSize }, context);
    if (end === undefined) return records;
    const exact = { ...open, lostBytes: Math.max(open.lostBytes, Number(end > fork ? end - fork : 0n)), isLossExact: true };
    if (exact.lostBytes > open.lostBytes) warnOfSwitchLoss(exact, context.messages);
    return records.map((record) => (record === open ? exact : record));
  }
}
