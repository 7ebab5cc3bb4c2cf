import { checksumOf } from './checksum.ts';

/** A value as one line of JSON behind its checksum: for files that are not synced, and must not be believed when they are damaged. */
export function formatCheckedJson(value: unknown): string {
  const text = JSON.stringify(value);
  return `${String(checksumOf(Buffer.from(text)))} ${text}\n`;
}

/** The value again; undefined when the checksum is another one. */
export function parseCheckedJson(line: string): unknown {
  const space = line.indexOf(' ');
  const text = line.slice(space + 1, -1);
  const isWhole = space > 0 && line.endsWith('\n') && Number(line.slice(0, space)) === checksumOf(Buffer.from(text));
  return isWhole ? JSON.parse(text) : undefined;
}
