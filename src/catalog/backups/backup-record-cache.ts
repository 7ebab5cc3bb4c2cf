import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { checksumOf } from '../../shared/checksum.ts';
import { writeDerivedFile } from '../../shared/durable-file.ts';
import { systemCodeOf } from '../../shared/operator-error.ts';
import type { ServerLayout } from '../server-layout.ts';
import type { BackupId } from './backup.ts';

/** State of a record's file: it is another one as soon as something was done to the file. */
export interface RecordState {
  readonly size: number;
  readonly ino: number;
  readonly ctimeMs: number;
}

interface CachedRecord {
  readonly state: RecordState;
  readonly text: string;
}

interface Stored {
  readonly format: number;
  readonly records: ReadonlyMap<BackupId, CachedRecord>;
}

/** Count it up when something else is stored than before. */
const format = 2;
const checksumBytes = 4;
/** As in the mark of the ledger: time stamps may stand still for a tick, or for a second where there are only whole seconds. */
const tickMs = 20;
const coarseTickMs = 2100;

/**
 * The text of all records in one file, `.pgcellar/backup-records`: to open, read and close thousands of files takes more time than
 * everything else that listings do. It holds text and not what was read out of it, so that a record is the same with and without it. The
 * file may be removed at any time.
 */
export class BackupRecordCache {
  readonly #path: string;
  readonly #known: ReadonlyMap<BackupId, CachedRecord>;
  readonly #notedMs: number;
  readonly #next = new Map<BackupId, CachedRecord>();

  private constructor(path: string, known: ReadonlyMap<BackupId, CachedRecord>, notedMs: number) {
    this.#path = path;
    this.#known = known;
    this.#notedMs = notedMs;
  }

  /** Without content when there is none that can be used, for whatever reason: it is all in the records. */
  static async open(layout: ServerLayout): Promise<BackupRecordCache> {
    const path = join(layout.root, '.pgcellar', 'backup-records');
    try {
      const { ctimeMs } = statSync(path);
      return new BackupRecordCache(path, decode(await readFile(path)), ctimeMs);
    } catch {
      return new BackupRecordCache(path, new Map(), 0);
    }
  }

  /** The text of a record, when its file is certainly the one that was read then. */
  find(id: BackupId, state: RecordState): string | undefined {
    const known = this.#known.get(id);
    if (known === undefined || !isSameRecord(known.state, state) || !this.#isSettled(state)) return undefined;
    this.#next.set(id, known);
    return known.text;
  }

  /** @param state of the file before it was read */
  add(id: BackupId, text: string, state: RecordState): void {
    this.#next.set(id, { state, text });
  }

  /** Keeps what was found and added since; optional work. */
  async save(): Promise<void> {
    const isSame =
      this.#next.size === this.#known.size && [...this.#next].every(([id, record]) => this.#known.get(id) === record);
    if (isSame) return;
    try {
      await writeDerivedFile(this.#path, encode(this.#next));
    } catch (error) {
      if (systemCodeOf(error) === undefined) throw error; // the next run reads more where nothing can be stored
    }
  }

  #isSettled({ ctimeMs }: RecordState): boolean {
    return this.#notedMs - ctimeMs > (ctimeMs % 1000 === 0 ? coarseTickMs : tickMs);
  }
}

/** Synchronously, because there may be thousands. Undefined when there is no such file or it cannot be looked at; reading it gives the reason. */
export function recordStateOf(path: string): RecordState | undefined {
  try {
    const { size, ino, ctimeMs } = statSync(path);
    return { size, ino, ctimeMs };
  } catch {
    return undefined;
  }
}

export function isSameRecord(a: RecordState, b: RecordState): boolean {
  return a.ctimeMs === b.ctimeMs && a.size === b.size && a.ino === b.ino;
}

function encode(records: ReadonlyMap<BackupId, CachedRecord>): Buffer {
  const stored: Stored = { format, records };
  const content = serialize(stored);
  const head = Buffer.alloc(checksumBytes);
  head.writeUInt32LE(checksumOf(content));
  return Buffer.concat([head, content]);
}

/** @throws what the content makes it throw */
function decode(content: Buffer): ReadonlyMap<BackupId, CachedRecord> {
  const body = content.subarray(checksumBytes);
  if (content.readUInt32LE() !== checksumOf(body)) return new Map();
  const stored = deserialize(body) as Stored; // its checksum says that we wrote it
  return stored.format === format ? stored.records : new Map<BackupId, CachedRecord>();
}
