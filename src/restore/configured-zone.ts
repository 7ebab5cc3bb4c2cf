import { isZoneName } from '../shared/zone-offset.ts';
import { readSettings } from './review-configuration.ts';
import type { AssumedZone } from './target-time.ts';

/** A configuration file of a backup, one character a byte. */
interface ConfigurationText {
  readonly file: string;
  readonly text: string;
}

/**
 * The time zone of the server that was backed up: the last `timezone` of its files, read in the order of PostgreSQL. Undefined when no
 * file sets it, or when it is written in a way that only PostgreSQL understands (`<+03>-03`).
 */
export function configuredZone(files: readonly ConfigurationText[], backupId: string): AssumedZone | undefined {
  let found: AssumedZone | undefined;
  for (const { file, text } of files) {
    for (const { key, value } of readSettings(text)) {
      if (key !== 'timezone') continue;
      const name = unquoted(value);
      found = isZoneName(name) ? { name, origin: `${file} of backup ${backupId}` } : undefined;
    }
  }
  return found;
}

function unquoted(value: string): string {
  const [, quoted] = /^'((?:[^']|'')*)'/.exec(value) ?? [];
  return quoted?.replaceAll("''", "'") ?? value.replace(/\s*#.*$/, '');
}
