import { join } from 'node:path';
import { arrivalFolder } from '../catalog/server-layout.ts';
import { walArchiveOf } from '../catalog/wal/wal-archive.ts';
import type { Server } from '../config/server.ts';
import { arrivalsOf, formOf, storageOf } from '../encryption/stored-wal.ts';
import { walHookVariables } from '../hooks/hook-variables.ts';
import { runPostHooks, runPreHooks } from '../hooks/run-hooks.ts';
import type { Context } from '../shared/context.ts';
import { isMissing, sizeAndTime } from '../shared/look.ts';
import { messageOf, systemCodeOf } from '../shared/operator-error.ts';
import type { WalName } from '../wal/wal-name.ts';
import { duplicateText, type StoreOptions, storeWals } from './store-wals.ts';
import { type ArrivalOutcome, judgeArrival } from './take-arrival.ts';

interface HookedResult {
  /** `stop` when a hook asked for it, `growing` for a file that somebody may still be writing: nothing was done with it. */
  readonly kind: 'done' | 'stop' | 'growing';
  /** Why the file stays where it arrived. */
  readonly error?: unknown;
}

/**
 * Stores one file between its hooks (docs/reference/engine.md section 9.3); the later ones run whatever became of it.
 * @throws what keeps any file from being stored
 */
export async function storeWithHooks(name: WalName, options: StoreOptions, context: Context): Promise<HookedResult> {
  const { server, channel, cluster } = options;
  const source = join(arrivalFolder(server.layout, channel), name);
  const variables = await variablesIfThere(name, source, server);
  if (variables === undefined) return { kind: 'done' };
  const arrived = { server, name, path: source, isFinished: channel === 'streaming', cluster };
  if ((await judgeArrival(arrived, context)).kind === 'growing') return { kind: 'growing' };
  if ((await runPreHooks({ server, event: 'archive', variables }, context)) === 'stop') {
    await runPostHooks({ server, event: 'archive', variables }, context);
    return { kind: 'stop' };
  }
  const { outcome, compression, failure, isFatal } = await storeOne(name, options, context);
  const isArchived = outcome?.kind === 'archived';
  const place = walArchiveOf(server.layout).pathOf(name);
  const after = isArchived ? await variablesOf(name, place, compression) : { ...variables, BARMAN_FILE: place };
  const error = failure === undefined ? refusalText(outcome) : messageOf(failure);
  await runPostHooks({ server, event: 'archive', variables: after, error }, context);
  if (isFatal) throw failure;
  return { kind: 'done', error: failure };
}

function refusalText(outcome: ArrivalOutcome | undefined): string {
  if (outcome?.kind === 'duplicate') return duplicateText(outcome.name);
  return outcome?.kind === 'foreign' || outcome?.kind === 'misnamed' ? outcome.problem : '';
}

interface StoredOne {
  readonly outcome: ArrivalOutcome | undefined;
  /** Name of the compression that it was stored with. */
  readonly compression: string | null;
  readonly failure: unknown;
  /** The failure is not about this file alone. */
  readonly isFatal: boolean;
}

async function storeOne(name: WalName, options: StoreOptions, context: Context): Promise<StoredOne> {
  try {
    const { outcomes, left, entries } = await storeWals([name], options, context);
    const compression = entries[0]?.compression ?? null;
    return { outcome: outcomes[0], compression, failure: left[0]?.error, isFatal: false };
  } catch (failure) {
    return { outcome: undefined, compression: null, failure, isFatal: true };
  }
}

/** Undefined for a file that somebody has taken away. */
async function variablesIfThere(name: WalName, source: string, server: Server): Promise<Record<string, string> | undefined> {
  try {
    return await variablesOf(name, source, await compressionOfArrival(server, source));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Null also for a file that cannot be read: what is wrong with it is told when it is to be stored. */
async function compressionOfArrival(server: Server, source: string): Promise<string | null> {
  try {
    return (await formOf(source, arrivalsOf(storageOf(server)))).compression ?? null;
  } catch (error) {
    if (systemCodeOf(error) === undefined) throw error;
    return null;
  }
}

async function variablesOf(segment: string, file: string, compression: string | null): Promise<Record<string, string>> {
  const { size, time } = await sizeAndTime(file);
  return { ...walHookVariables({ segment, file, sizeBytes: size, epochSeconds: time, compression }) };
}
