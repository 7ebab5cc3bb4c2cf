import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatCheckedJson, parseCheckedJson } from '../shared/checked-json.ts';
import type { Context } from '../shared/context.ts';
import { writeDerivedFile } from '../shared/durable-file.ts';
import { isRecord } from '../shared/is-record.ts';
import { messageOf, systemCodeOf } from '../shared/operator-error.ts';
import type { ServerLayout } from './server-layout.ts';

/** Count it up when the same sources are read into something else than before. */
const format = 1;

/** Entries by the name of what they were read from, in `.pgcellar/FILE`; none when there is nothing that can be used, for whatever reason. */
export async function readDerivedEntries<T>(layout: ServerLayout, file: string): Promise<Readonly<Record<string, T>>> {
  try {
    const read = parseCheckedJson(await readFile(pathOf(layout, file), 'utf8'));
    return isRecord(read) && read['format'] === format ? (read['entries'] as Readonly<Record<string, T>>) : {}; // its checksum says that we wrote it
  } catch {
    return {};
  }
}

/** Optional work: the next run reads more when nothing can be stored. */
export async function storeDerivedEntries(
  layout: ServerLayout,
  file: string,
  { entries, log }: { readonly entries: Readonly<Record<string, unknown>>; readonly log: Context['log'] },
): Promise<void> {
  try {
    await writeDerivedFile(pathOf(layout, file), formatCheckedJson({ format, entries }));
  } catch (error) {
    if (systemCodeOf(error) === undefined) throw error;
    log.debug(`${file} is not stored: ${messageOf(error)}`);
  }
}

function pathOf(layout: ServerLayout, file: string): string {
  return join(layout.root, '.pgcellar', file);
}
