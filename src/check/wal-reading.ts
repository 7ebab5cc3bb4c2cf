import { stat } from 'node:fs/promises';
import type { Backup } from '../catalog/backups/backup.ts';
import { neighboursOf } from '../catalog/backups/find-backup.ts';
import { readLedger } from '../catalog/index/read-ledger.ts';
import { walStatistics } from '../catalog/index/wal-statistics.ts';
import { type ServerLayout, xlogdbPath } from '../catalog/server-layout.ts';
import { walArchiveOf } from '../catalog/wal/wal-archive.ts';
import { systemCodeOf } from '../shared/operator-error.ts';
import { newestBackup } from './newest-backup.ts';

/** The facts from the WAL index that checks need. */
export interface WalSummary {
  readonly isEmpty: boolean;
  /** Time of the newest segment that belongs to the newest backup, seconds since the epoch. */
  readonly lastTime: number | undefined;
  /** Bytes of the WAL that follows the newest backup. */
  readonly laterBytes: number;
}

/** The index read once for all checks, and again when it was added to. */
export class WalReading {
  readonly #layout: ServerLayout;
  readonly #backups: readonly Backup[];
  #summary: Promise<WalSummary> | undefined;

  /** @param backups oldest first */
  constructor(layout: ServerLayout, backups: readonly Backup[]) {
    this.#layout = layout;
    this.#backups = backups;
  }

  /** @throws OperatorError `wal-index-invalid`, `lock-failed` or `file-unreadable` */
  async read(): Promise<WalSummary> {
    this.#summary ??= summarise(this.#layout, this.#backups);
    return await this.#summary;
  }

  /** The same, from what the file holds by now. */
  async readAgain(): Promise<WalSummary> {
    this.#summary = undefined;
    return await this.read();
  }
}

async function summarise(layout: ServerLayout, backups: readonly Backup[]): Promise<WalSummary> {
  // nothing was ever archived: opening the index would make its folder, which is left to a check that knows whether it may
  if (!(await exists(walArchiveOf(layout).location)) && !(await exists(xlogdbPath(layout))))
    return { isEmpty: true, lastTime: undefined, laterBytes: 0 };
  const ledger = await readLedger(layout);
  const newest = newestBackup(backups);
  const isEmpty = ledger.count === 0;
  if (newest === undefined) return { isEmpty, lastTime: undefined, laterBytes: 0 };
  const { lastTime, laterBytes } = walStatistics(ledger, newest, neighboursOf(backups, newest).next);
  return { isEmpty, lastTime, laterBytes };
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error) ?? '')) return false;
    return true; // the index says why it cannot be read
  }
}
