import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatCheckedJson, parseCheckedJson } from '../../shared/checked-json.ts';
import type { Context } from '../../shared/context.ts';
import { writeDerivedFile } from '../../shared/durable-file.ts';
import { isRecord } from '../../shared/is-record.ts';
import { messageOf, systemCodeOf } from '../../shared/operator-error.ts';
import type { ServerLayout } from '../server-layout.ts';
import { type FileState, isSameState, isSettled, stateOf } from './index-state.ts';
import { decodeLedger, encodeLedger, type StoredLedger } from './ledger-file.ts';

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
  read(): StoredLedger | undefined {
    try {
      return decodeLedger(readFileSync(this.#ledgerPath));
    } catch {
      return undefined;
    }
  }

  /** Which ledger fits the index in this state; undefined when nothing says so for certain. */
  ledgerFor(state: FileState): LedgerIdentity | undefined {
    let fd: number | undefined;
    try {
      fd = openSync(this.#markPath, 'r');
      const [noted, mark] = [stateOf({ fd }), parseMark(readFileSync(fd, 'utf8'))];
      return mark !== undefined && isSameState(mark.state, state) && isSettled(state, noted) ? mark : undefined;
    } catch {
      return undefined;
    } finally {
      if (fd !== undefined) closeSync(fd);
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
