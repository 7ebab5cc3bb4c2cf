import { readPostgresZone } from './postgres-zone.ts';
import { readSettings } from './review-configuration.ts';
import type { ServerZone } from './target-time.ts';

/** A configuration file of a backup, one character a byte. */
interface ConfigurationText {
  readonly file: string;
  readonly text: string;
}

/**
 * The time zone of the server that was backed up: the last `timezone` of its files, read in the order of PostgreSQL, or PostgreSQL's own default
 * when none sets it. Undefined without any file.
 */
export function configuredZone(files: readonly ConfigurationText[], backupId: string): ServerZone | undefined {
  const [first] = files;
  if (first === undefined) return undefined;
  let name = 'GMT';
  let origin = `no file of backup ${backupId} sets timezone`;
  let hasUsualAbbreviations = true;
  for (const { file, text } of files) {
    for (const { key, value } of readSettings(text)) {
      if (key === 'timezone_abbreviations') hasUsualAbbreviations = unquoted(value).toLowerCase() === 'default';
      if (key !== 'timezone') continue;
      name = unquoted(value);
      origin = `timezone in ${file} of backup ${backupId}`;
    }
  }
  const zone = readPostgresZone(name);
  if (zone === undefined) return { kind: 'unreadable', reason: `only PostgreSQL understands '${name}' (${origin})` };
  return { kind: 'known', zone, name, origin, hasUsualAbbreviations };
}

function unquoted(value: string): string {
  const [, quoted] = /^'((?:[^']|'')*)'/.exec(value) ?? [];
  return quoted?.replaceAll("''", "'") ?? value.replace(/\s*#.*$/, '');
}
