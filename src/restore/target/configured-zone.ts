import type { SourceContent } from '../content/source-content.ts';
import type { IncludedFile } from '../recovery/included-files.ts';
import { readSettings, settingValue } from '../recovery/review-configuration.ts';
import { readPostgresZone } from './postgres-zone.ts';
import type { ServerZone } from './target-time.ts';

type Configuration = Pick<SourceContent, 'configuration' | 'included'>;

/** A setting, or a file that PostgreSQL reads there and we cannot. */
type Step =
  | { readonly kind: 'setting'; readonly key: string; readonly value: string; readonly file: string }
  | { readonly kind: 'unread'; readonly file: string };

/** PostgreSQL reads them in this order; the last setting wins. */
const files = ['postgresql.conf', 'postgresql.auto.conf'];

/**
 * The time zone of the server that was backed up: the last `timezone` of its files and of those that they take in, read in the order of PostgreSQL, or
 * PostgreSQL's own default when none sets it. Undefined without any file; unreadable when a file that could not be read may set it.
 */
export function configuredZone(content: Configuration, backupId: string): ServerZone | undefined {
  const found = files.filter((file) => content.configuration.get(file)?.kind === 'file');
  if (found.length === 0) return undefined;
  let name = 'GMT';
  let origin = `no file of backup ${backupId} sets timezone`;
  let unread: string | undefined;
  let hasUsualAbbreviations = true;
  for (const step of found.flatMap((file) => [...stepsOf(file, content)])) {
    if (step.kind === 'unread') {
      unread = step.file;
      hasUsualAbbreviations = false;
    } else if (step.key === 'timezone_abbreviations') {
      hasUsualAbbreviations = settingValue(step.value).toLowerCase() === 'default';
    } else if (step.key === 'timezone') {
      name = settingValue(step.value);
      origin = `timezone in ${step.file} of backup ${backupId}`;
      unread = undefined;
    }
  }
  if (unread !== undefined) return { kind: 'unreadable', reason: `${unread}, which may set it, is not in backup ${backupId}` };
  const zone = readPostgresZone(name);
  if (zone === undefined) return { kind: 'unreadable', reason: `only PostgreSQL understands '${name}' (${origin})` };
  return { kind: 'known', zone, name, origin, hasUsualAbbreviations };
}

/** The settings of a file with those of the files that it takes in, where it does. */
function* stepsOf(file: string, content: Configuration): Generator<Step> {
  const found = content.configuration.get(file) ?? content.included.find(({ path }) => path === file)?.found;
  if (found?.kind !== 'file') return;
  for (const [position, { key, value }] of readSettings(found.text).entries()) {
    const taken = content.included.filter((one) => one.by === file && one.position === position);
    if (taken.length === 0) yield { kind: 'setting', key, value, file };
    else for (const one of taken) yield* includedSteps(one, content);
  }
}

/** A missing file sets nothing, whether the server needs it or not. */
function* includedSteps({ path, found }: IncludedFile, content: Configuration): Generator<Step> {
  if (found.kind === 'file') yield* stepsOf(path, content);
  else if (found.kind !== 'missing') yield { kind: 'unread', file: path };
}
