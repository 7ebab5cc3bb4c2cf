import { OperatorError } from '../../shared/operator-error.ts';

/** The error for a line that is none. @param number of the line, from 1 */
export function invalidIndexLine(line: string, path: string, number: number): OperatorError {
  return new OperatorError('wal-index-invalid', `${path}:${String(number)}: not a line of a WAL index: ${line.slice(0, 80)}`, {
    hint: 'move the file away: the next command builds it again from the archive',
  });
}
