import { OperatorError } from '../../shared/operator-error.ts';
import { formatPythonFloat } from '../../shared/python-literal.ts';
import { parseWalName, type WalName } from '../../wal/wal-name.ts';

/** One line of the WAL index (docs/reference/catalog.md section 7.1). */
export interface WalEntry {
  readonly name: WalName;
  /** Bytes of the stored file. */
  readonly size: number;
  /** Modification time of the original file, seconds since the epoch. */
  readonly time: number;
  readonly compression: string | null;
  readonly encryption: string | null;
}

/** Reads a line of 3, 4 or 5 columns, as all releases of Barman wrote them; undefined for anything else. */
export function parseWalEntry(line: string): WalEntry | undefined {
  const columns = line.trim().split(/\s+/);
  if (columns.length < 3 || columns.length > 5) return undefined;
  const [rawName = '', size = '', time = '', compression = 'None', encryption = 'None'] = columns;
  const name = parseWalName(rawName);
  const sizeBytes = Number(size);
  const seconds = Number(time);
  if (name === undefined || !Number.isSafeInteger(sizeBytes) || !Number.isFinite(seconds)) return undefined;
  return { name, size: sizeBytes, time: seconds, compression: orNull(compression), encryption: orNull(encryption) };
}

/** The line with its newline; the fifth column only when it says something, because Barman before 3.14 cannot read it. */
export function formatWalEntry({ name, size, time, compression, encryption }: WalEntry): string {
  const columns = [
    name,
    String(size),
    formatPythonFloat(time),
    compression ?? 'None',
    ...(encryption === null ? [] : [encryption]),
  ];
  return `${columns.join('\t')}\n`;
}

function orNull(word: string): string | null {
  return word === 'None' ? null : word;
}

/** The error for a line that is none. @param number of the line, from 1 */
export function invalidIndexLine(line: string, path: string, number: number): OperatorError {
  return new OperatorError('wal-index-invalid', `${path}:${String(number)}: not a line of a WAL index: ${line.slice(0, 80)}`, {
    hint: 'move the file away: the next command builds it again from the archive',
  });
}
