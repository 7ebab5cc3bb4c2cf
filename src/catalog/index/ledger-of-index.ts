import { type FileHandle, open } from 'node:fs/promises';
import { checksumOf } from '../../shared/checksum.ts';
import type { Context } from '../../shared/context.ts';
import { type FileState, isMissing, isSameState, stateOf } from '../../shared/look.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { type ServerLayout, xlogdbPath } from '../server-layout.ts';
import { addIndexLines, LedgerBuilder } from './ledger-builder.ts';
import { LedgerStore, type StoredLedger } from './ledger-store.ts';
import { invalidIndexLine } from './wal-entry.ts';
import { WalLedger } from './wal-ledger.ts';

interface IndexFile {
  readonly file: FileHandle;
  readonly path: string;
}

const chunkBytes = 1 << 20;
const nothing: StoredLedger = { ledger: new WalLedger(), end: 0, checksum: 0 };

/**
 * The entries of the WAL index, from the ledger and the lines that were added since; without the lock, because the file's state says before
 * and after that nobody wrote.
 * @returns undefined when that does not tell for certain: then it is to be read under the lock
 */
export async function readKnownLedger(layout: ServerLayout): Promise<WalLedger | undefined> {
  try {
    const path = xlogdbPath(layout);
    const state = stateOf(path);
    const store = new LedgerStore(layout);
    const fitting = store.ledgerFor(state);
    const stored = fitting === undefined ? undefined : store.read();
    if (stored === undefined || !isLedger(stored, fitting) || isOutgrown(stored, state)) return undefined;
    const ledger = state.size === stored.end ? stored.ledger : await withLinesSince(stored, path, state);
    return isSameState(state, stateOf(path)) ? ledger : undefined;
  } catch (error) {
    if (isMissing(error) || (error instanceof OperatorError && error.code === 'wal-index-invalid')) return undefined; // told under the lock
    throw error;
  }
}

async function withLinesSince(stored: StoredLedger, path: string, state: FileState): Promise<WalLedger | undefined> {
  await using file = await open(path, 'r');
  if (!isSameState(state, stateOf(file))) return undefined;
  const { ledger } = await readOn({ file, path }, stored, state.size);
  return ledger;
}

/**
 * The entries of the WAL index, for the holder of its lock; the ledger is written anew where it does not fit or much was added.
 * @throws OperatorError `wal-index-invalid` naming the line
 */
export async function readLedgerUnderLock(layout: ServerLayout, log?: Context['log']): Promise<WalLedger> {
  const store = new LedgerStore(layout);
  const path = xlogdbPath(layout);
  await using file = await open(path, 'r');
  const state = stateOf(file);
  const stored = store.read();
  const begins = stored !== undefined && (await isBeginOf(file, stored, { state, store }));
  const known = begins ? stored : nothing;
  const read = await readOnOrAnew({ file, path }, known, state.size);
  const isWritten = !begins || isOutgrown(stored, state);
  if (isWritten) await store.write(read, log);
  await store.mark(isWritten ? read : known, state, log);
  return read.ledger;
}

/** Whether the index begins with what the ledger was made of; compared byte for byte where its state does not tell. */
async function isBeginOf(
  file: FileHandle,
  stored: StoredLedger,
  { state, store }: { readonly state: FileState; readonly store: LedgerStore },
): Promise<boolean> {
  if (state.size < stored.end) return false;
  if (isLedger(stored, store.ledgerFor(state))) return true;
  const buffer = Buffer.allocUnsafe(chunkBytes);
  let checksum = 0;
  for (let at = 0; at < stored.end; ) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(chunkBytes, stored.end - at), at);
    if (bytesRead === 0) return false;
    checksum = checksumOf(buffer.subarray(0, bytesRead), checksum);
    at += bytesRead;
  }
  return checksum === stored.checksum;
}

function isLedger(stored: StoredLedger, fitting: Pick<StoredLedger, 'end' | 'checksum'> | undefined): boolean {
  return fitting?.end === stored.end && fitting.checksum === stored.checksum;
}

/** Whether so much was added since that everything is to be written again. */
function isOutgrown({ end }: StoredLedger, { size }: FileState): boolean {
  return size - end > 65_536 + end / 64;
}

async function readOnOrAnew(index: IndexFile, known: StoredLedger, size: number): Promise<StoredLedger> {
  try {
    return await readOn(index, known, size);
  } catch (error) {
    if (!(error instanceof OperatorError) || known === nothing) throw error;
    return await readOn(index, nothing, size); // which tells the line by its number
  }
}

/** Reads the whole lines of the index behind what is known. What a crash tore at the end is left out: the next append cuts it off. */
async function readOn({ file, path }: IndexFile, { ledger, end, checksum }: StoredLedger, size: number): Promise<StoredLedger> {
  if (size === end) return { ledger, end, checksum };
  const builder = new LedgerBuilder(ledger, size - end);
  let [at, sum, lines] = [end, checksum, 0];
  let buffer = Buffer.allocUnsafe(Math.min(chunkBytes, size - end));
  while (at < size) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, size - at), at);
    const piece = buffer.subarray(0, bytesRead);
    const whole = addIndexLines(piece, builder, (line, before) => {
      throw invalidIndexLine(line, path, lines + before + 1);
    });
    lines += whole.lines;
    sum = checksumOf(piece.subarray(0, whole.bytes), sum);
    at += whole.bytes;
    if (whole.bytes > 0) continue;
    if (bytesRead < buffer.length) break;
    buffer = Buffer.allocUnsafe(buffer.length * 2); // a line of a megabyte is none of ours, and is refused when its end is found
  }
  return { ledger: builder.build(), end: at, checksum: sum };
}
