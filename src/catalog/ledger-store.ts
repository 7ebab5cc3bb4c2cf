import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { formatCheckedJson, parseCheckedJson } from '../shared/checked-json.ts';
import type { Context } from '../shared/context.ts';
import { writeDerivedFile } from '../shared/durable-file.ts';
import { isRecord } from '../shared/is-record.ts';
import { messageOf, systemCodeOf } from '../shared/operator-error.ts';
import { type FileState, isSameState, isSettled, stateOf } from './index-state.ts';
import { decodeLedger, encodeLedger, type StoredLedger } from './ledger-file.ts';
import type { ServerLayout } from './server-layout.ts';

/** Says that the index in this state begins with the bytes that a ledger was made of. */
interface Mark {
  readonly state: FileState;
  readonly end: number;
  readonly checksum: number;
}

type LedgerIdentity = Pick<StoredLedger, 'end' | 'checksum'>;

/**
 * The ledger on disk: `.pgcellar/wal-ledger` with everything, written now and then, and `.pgcellar/wal-ledger.mark`, small, written
 * whenever the index is found or left in a new state. Both may be removed, damaged or old at any time.
 */
export class LedgerStore {
  readonly #ledgerPath: string;
  readonly #markPath: string;

  constructor(layout: ServerLayout) {
    this.#ledgerPath = join(layout.root, '.pgcellar', 'wal-ledger');
    this.#markPath = `${this.#ledgerPath}.mark`;
  }

  /** Undefined when there is none that is whole, for whatever reason: it is all in the index. */
  async read(): Promise<StoredLedger | undefined> {
    try {
      await using file = await open(this.#ledgerPath, 'r');
      const { size } = await file.stat();
      const content = new Uint8Array(size); // of its own: the columns are views into it
      let at = 0;
      while (at < size) {
        const { bytesRead } = await file.read(content, at, size - at, at);
        if (bytesRead === 0) return undefined;
        at += bytesRead;
      }
      return decodeLedger(content);
    } catch {
      return undefined;
    }
  }

  /** Which ledger fits the index in this state; undefined when nothing says so for certain. */
  async ledgerFor(state: FileState): Promise<LedgerIdentity | undefined> {
    try {
      await using file = await open(this.#markPath, 'r');
      const [noted, text] = [await stateOf(file), await file.readFile('utf8')];
      const mark = parseMark(text);
      return mark !== undefined && isSameState(mark.state, state) && isSettled(state, noted) ? mark : undefined;
    } catch {
      return undefined;
    }
  }

  /** Optional work: where nothing can be written, the next run has more to read. */
  async write(stored: StoredLedger, log?: Context['log']): Promise<void> {
    await this.#try(log, async () => await writeDerivedFile(this.#ledgerPath, encodeLedger(stored)));
  }

  /** As {@link write}. */
  async mark({ end, checksum }: LedgerIdentity, state: FileState, log?: Context['log']): Promise<void> {
    const mark: Mark = { state, end, checksum };
    await this.#try(log, async () => await writeDerivedFile(this.#markPath, formatCheckedJson(mark)));
  }

  async #try(log: Context['log'] | undefined, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (systemCodeOf(error) === undefined) throw error;
      log?.debug(`the WAL ledger is not stored: ${messageOf(error)}`);
    }
  }
}

function parseMark(line: string): Mark | undefined {
  const mark = parseCheckedJson(line);
  return isRecord(mark) && isRecord(mark['state']) ? (mark as unknown as Mark) : undefined; // its checksum says that we wrote it
}
