import { rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../shared/clock.ts';
import { shownLine } from '../shared/shown-text.ts';
import { nextSegment, parseSegmentName, type SegmentName } from '../wal/wal-name.ts';
import { BackupConnection } from './backup-connection.ts';
import type { FetchOptions } from './fetch-wal.ts';
import { Pauses } from './pauses.ts';
import { missingText } from './restore-wal.ts';
import { alone, serveRequests } from './serve-requests.ts';
import { isWithoutSessions, rememberWithoutSessions, type Spool } from './spool.ts';
import type { SpoolWatch } from './spool-watch.ts';
import { isUnwritten, segmentProblem } from './wal-page.ts';

export interface AttendOptions {
  readonly spool: Spool;
  readonly fetch: FetchOptions;
  readonly systemid: bigint | undefined;
  /** Of the server that recovers. */
  readonly dataFolder: string;
  readonly clock: Clock;
}

/** Requests under way concurrently: through one connection, so that a long way there costs nothing; with a login each, because most of that is waiting. */
const underWay = { inSession: 3, alone: 4 } as const;
/** So often replay has to wait for a segment before there is one more connection. */
const lateTimes = 3;
/** Segments that wait at most when the command line does not say how many, and the bytes of them. */
const usualAhead = 8;
const usualAheadBytes = 512 * 1024 ** 2;

/**
 * Answers the restore_commands of one data folder through one connection to the backup host, and fetches segments ahead of replay once
 * they are asked for in order; until nobody asks for a while, or the server that recovers is gone. Nothing gets its final name before it is
 * whole and checked.
 */
export async function attend(options: AttendOptions): Promise<void> {
  const { spool } = options;
  const knowsSessions = !(await isWithoutSessions(spool));
  const connection = new BackupConnection(options.fetch, { clock: options.clock, knowsSessions });
  connection.begin().catch(() => undefined); // takes longest; who asks meets the same failure
  try {
    await serveRequests(options, (watch) => {
      const attendant = new Attendant(options, { connection, watch });
      return {
        answer: async (words) => await attendant.answer(words),
        onChange: () => attendant.fetchAhead(),
        onEnd: async () => {
          if (knowsSessions && !connection.knowsSessions) await rememberWithoutSessions(spool);
          return connection.knowsSessions ? 'nothing-to-keep' : 'keep-folder';
        },
      };
    });
  } finally {
    connection.close();
  }
}

interface Means {
  readonly connection: BackupConnection;
  readonly watch: SpoolWatch;
}

/** Consecutive segments that are fetched ahead. */
class Row {
  /** The one that is asked for next, or the first that could not be had. */
  next: SegmentName;
  readonly segmentSize: number;
  readonly coming = new Map<SegmentName, Promise<boolean>>();
  /** The archive has no more of it, or it cannot be had in this way. */
  isOver = false;
  /** Recovery went on elsewhere: what still comes is thrown away. */
  isDropped = false;

  constructor(next: SegmentName, segmentSize: number) {
    this.next = next;
    this.segmentSize = segmentSize;
  }
}

class Attendant {
  readonly #options: AttendOptions;
  readonly #means: Means;
  readonly #pauses = new Pauses();
  #row: Row | undefined;
  /** Newest segment that was handed out, or is going to be. */
  #last: SegmentName | undefined;
  /** The segment that is fetched because it was asked for: nobody fetches it ahead meanwhile. */
  #asked: SegmentName | undefined;
  /** Of the command line that asked last; undefined when it leaves that to us. */
  #wantedAhead: number | undefined;
  #isReconnecting = false;
  /** How often a segment was asked for that was on its way. */
  #late = 0;

  constructor(options: AttendOptions, means: Means) {
    this.#options = options;
    this.#means = means;
  }

  async answer(words: readonly string[]): Promise<string> {
    try {
      return await this.#answerTo(words);
    } finally {
      this.#asked = undefined;
    }
  }

  /** Asks for as many segments as there is room for. */
  fetchAhead(): void {
    const { watch, connection } = this.#means;
    const row = this.#row;
    if (row === undefined) return;
    const waiting = watch.waiting();
    const most = this.#wantedAhead ?? Math.max(2, Math.min(usualAhead, Math.floor(usualAheadBytes / row.segmentSize)));
    const concurrency = connection.knowsSessions ? underWay.inSession + 2 * (connection.width - 1) : underWay.alone;
    const isAtRest = (): boolean => row.isOver || row.isDropped || this.#isReconnecting || row.next === this.#asked;
    const mayAsk = (): boolean => !isAtRest() && row.coming.size < concurrency;
    while (mayAsk() && waiting.length + row.coming.size < most) {
      const name = row.next;
      row.next = nextSegment(name, row.segmentSize);
      if (waiting.includes(name) || row.coming.has(name)) continue;
      const endWork = watch.beginWork();
      const coming = this.#fetchOne(name, row)
        .catch(() => endRow(row, name))
        .finally(() => {
          row.coming.delete(name);
          endWork();
          this.fetchAhead();
        });
      row.coming.set(name, coming);
    }
  }

  async #answerTo([name = '', ahead = '', ...flags]: readonly string[]): Promise<string> {
    const { watch, connection } = this.#means;
    const { spool, fetch } = this.#options;
    this.#wantedAhead = /^\d+$/.test(ahead) ? Number(ahead) : undefined;
    const segment = parseSegmentName(name);
    if (segment !== undefined) {
      await this.#waitFor(segment);
      if (watch.waiting().includes(segment)) return 'there ready';
    }
    this.#asked = segment;
    const arriving = join(spool.work, 'asked');
    const allowsPartial = flags.includes('partial');
    const fetched = await connection.fetch({ name, allowsPartial, isStrict: flags.includes('strict') }, arriving);
    const missing = (said: string): string => `none ERROR: ${shownLine(missingText(name, fetch, said))}`;
    if (fetched.kind === 'none') return missing(fetched.said);
    if (fetched.kind !== 'there') return alone;
    if (segment !== undefined) {
      if (allowsPartial && (await isUnwritten(arriving))) return missing('nothing of it was received yet');
      if ((await segmentProblem(arriving, segment, { systemid: this.#options.systemid })) !== undefined) return alone;
    }
    const { size } = await stat(arriving);
    await rename(arriving, join(spool.asked, name));
    if (segment !== undefined) await this.#goOnAfter(segment, size);
    return 'there asked';
  }

  /** Where it is on its way, replay waits for it: when that happens again and again, one connection is not enough. */
  async #waitFor(segment: SegmentName): Promise<void> {
    const coming = this.#row?.coming.get(segment);
    if (coming === undefined) return;
    this.#late++;
    if (this.#late % lateTimes === 0) this.#means.connection.widen();
    await coming;
  }

  /** Whether the command line, or else the order of the requests, says that the segments after this one are wanted. */
  #isAheadWanted(segment: SegmentName, segmentSize: number): boolean {
    if (this.#wantedAhead !== undefined) return true;
    if (this.#last === undefined || !this.#means.connection.mayFetchAhead) return false;
    const place = (name: string): string => name.slice(8); // without its timeline
    const isNext = place(segment) === place(nextSegment(this.#last, segmentSize));
    return isNext || (place(segment) === place(this.#last) && segment !== this.#last);
  }

  async #goOnAfter(segment: SegmentName, segmentSize: number): Promise<void> {
    const next = nextSegment(segment, segmentSize);
    const isWanted = this.#isAheadWanted(segment, segmentSize);
    const row = this.#row;
    const isComing = row !== undefined && (row.next === next || row.coming.has(next));
    const isOnTheWay = isComing || this.#means.watch.waiting().includes(next);
    this.#last = segment;
    if (row?.next === segment) row.next = next;
    else if (!isOnTheWay) {
      await this.#dropRow();
      if (isWanted) this.#row = new Row(next, segmentSize);
    }
    if (this.#row !== undefined) this.#row.isOver = false;
    this.#asked = undefined;
    this.fetchAhead();
  }

  async #dropRow(): Promise<void> {
    if (this.#row !== undefined) this.#row.isDropped = true;
    this.#row = undefined;
    for (const name of this.#means.watch.waiting()) await rm(join(this.#options.spool.ready, name), { force: true });
  }

  /** True when the segment waits to be taken. */
  async #fetchOne(name: SegmentName, row: Row): Promise<boolean> {
    const { spool, systemid } = this.#options;
    const arriving = join(spool.work, name);
    const { kind } = await this.#means.connection.fetch({ name }, arriving);
    if (kind === 'broken') void this.#reconnect(row);
    if (kind !== 'there') return endRow(row, name);
    const { segmentSize } = row;
    const isWrong = row.isDropped || (await segmentProblem(arriving, name, { systemid, segmentSize })) !== undefined;
    if (isWrong) {
      await rm(arriving, { force: true });
      return endRow(row, name);
    }
    await rename(arriving, join(spool.ready, name));
    this.#last = name;
    this.#pauses.restart();
    return true;
  }

  /** A connection that broke is tried again as long as something waits to be taken; after that by whoever asks. */
  async #reconnect(row: Row): Promise<void> {
    if (this.#isReconnecting || row.isDropped) return;
    this.#isReconnecting = true;
    const { watch, connection } = this.#means;
    let isBack = false;
    while (!isBack && (await watch.pauseWhileSomeWait(this.#pauses.next()).catch(() => false))) {
      isBack = (await connection.begin().catch(() => ({ kind: 'broken' as const }))) === undefined;
    }
    this.#isReconnecting = false;
    if (isBack && this.#row === row) row.isOver = false;
    this.fetchAhead();
  }
}

function endRow(row: Row, name: SegmentName): false {
  row.isOver = true;
  if (name < row.next) row.next = name;
  return false;
}
