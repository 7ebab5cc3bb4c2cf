import type { Header } from 'tar-stream';
import { OperatorError } from '../shared/operator-error.ts';

/** Of a file name, with the process id that is put before it while the file is received. */
const longestName = 200;

/**
 * The name of a file in a tar stream from outside: only plain files with a plain name. Nothing may reach another folder, and what the
 * archiver never looks at (a dot before the name, `.tmp` behind it) would be acknowledged and lost.
 * @throws OperatorError `wal-stream-invalid`
 */
export function memberName({ name, type }: Pick<Header, 'name' | 'type'>): string {
  const plain = name.replace(/^(\.\/)+/, '');
  if (type !== 'file' && type !== 'contiguous-file')
    throw new OperatorError('wal-stream-invalid', `'${plain}' in the tar stream is no regular file`);
  const isPlain = plain !== '' && !plain.startsWith('.') && !plain.endsWith('.tmp') && !/[/\0-\x1f]/.test(plain);
  if (isPlain && Buffer.byteLength(plain) <= longestName) return plain;
  throw new OperatorError('wal-stream-invalid', `unsupported file name in the tar stream: ${JSON.stringify(plain)}`);
}
