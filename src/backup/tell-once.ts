import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServerLayout } from '../catalog/server-layout.ts';
import type { Context } from '../shared/context.ts';
import { writeDerivedFile } from '../shared/durable-file.ts';
import { isRecord } from '../shared/is-record.ts';
import { isMissing } from '../shared/look.ts';
import { joined, type Text } from '../shared/messages.ts';

/** What a warning is about; a server has one of each. */
type Topic = 'configuration outside' | 'left out';

/**
 * Warns of something that stays as it is until somebody changes the server: the first time, and when it has become something else. What
 * was told before is only logged, so that nobody gets the same mail every night.
 * @returns whether it was told
 */
export async function tellOnce(
  layout: ServerLayout,
  { topic, text }: { readonly topic: Topic; readonly text: Text | undefined },
  { messages, log }: Pick<Context, 'messages' | 'log'>,
): Promise<boolean> {
  const path = join(layout.root, '.pgcellar', 'told.json');
  const told = await readTold(path);
  const now = text === undefined ? undefined : joined(text);
  const isNew = told[topic] !== now;
  if (isNew) await writeDerivedFile(path, JSON.stringify({ ...told, [topic]: now }));
  if (text === undefined) return false;
  if (isNew) messages.warning(text);
  else log.info(`as before: ${joined(text)}`);
  return isNew;
}

async function readTold(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    return isRecord(value) ? value : {};
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return {};
    throw error;
  }
}
