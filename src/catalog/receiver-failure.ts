import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileDurably } from '../shared/durable-file.ts';
import { isRecord } from '../shared/is-record.ts';
import { isMissing } from '../shared/look.ts';
import type { ServerLayout } from './server-layout.ts';

/** How the receiver of a server last ended, when it ended by itself. */
export interface ReceiverFailure {
  readonly at: Date;
  /** How long it had run. */
  readonly ranMs: number;
  /** One line. */
  readonly reason: string;
}

/** The note of a receiver that could not continue; undefined when it ended well, and for a note that cannot be read. */
export async function readReceiverFailure(layout: Pick<ServerLayout, 'root'>): Promise<ReceiverFailure | undefined> {
  try {
    const found: unknown = JSON.parse(await readFile(pathIn(layout), 'utf8'));
    if (!isRecord(found)) return undefined;
    const { at, ranMs, reason } = found;
    if (typeof at !== 'string' || typeof ranMs !== 'number' || typeof reason !== 'string') return undefined;
    return { at: new Date(at), ranMs, reason };
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Notes why the receiver ended; undefined when it ended well. */
export async function noteReceiverFailure(
  layout: Pick<ServerLayout, 'root'>,
  failure: ReceiverFailure | undefined,
): Promise<void> {
  if (failure === undefined) await rm(pathIn(layout), { force: true });
  else await writeFileDurably(pathIn(layout), `${JSON.stringify(failure)}\n`);
}

function pathIn({ root }: Pick<ServerLayout, 'root'>): string {
  return join(root, '.pgcellar', 'receiver-failure.json');
}
