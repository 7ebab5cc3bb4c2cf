import { join } from 'node:path';
import { parseBackupInfo } from '../../catalog/backups/backup-info.ts';
import type { Context } from '../../shared/context.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import type { Timestamp } from '../../shared/timestamp.ts';
import type { KeptLink } from '../content/restored-files.ts';
import type { RestoreHost } from '../host/restore-host.ts';
import type { RestoreRequest } from '../plan/restore-options.ts';
import type { StageClock } from '../plan/stage-clock.ts';
import { makeStaging, type Staging } from '../plan/staging.ts';
import { allowGroup } from './allow-group.ts';
import { buildThere } from './build-there.ts';
import { type Building, buildTrees, type Finish } from './build-trees.ts';
import { type Sending, sendControlFile, sendTrees } from './send-trees.ts';

interface Filling extends Building {
  readonly restoreHost: RestoreHost;
  readonly request: RestoreRequest;
  readonly keptLinks: readonly KeptLink[];
}

/** Trees that are in place but for the control file. */
export interface Filled extends AsyncDisposable {
  /** Puts the control file in place, durably. */
  readonly finish: Finish;
}

/**
 * Fills the destination of a restore, wherever it is and whatever the backup is kept as (docs/reference/engine.md section 12.5). Disposing removes what was staged.
 * @throws OperatorError of the steps below
 */
export async function fillDestination(filling: Filling, stages: StageClock, context: Context): Promise<Filled> {
  const filled = await fill(filling, stages, context);
  try {
    await allowGroup(filling.restoreHost, filling.places.destination); // pg_basebackup leaves a folder that is there the mode it has
    return filled;
  } catch (error) {
    await filled[Symbol.asyncDispose]();
    throw error;
  }
}

async function fill(filling: Filling, stages: StageClock, context: Context): Promise<Filled> {
  const { restoreHost, request, source } = filling;
  const isPlain = source.members.length === 1 && source.leaf.form === 'plain';
  if (restoreHost.kind === 'local' && !request.isDelta) {
    return { finish: await buildTrees(filling, stages, context), [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  if (!isPlain && request.stagingLocation === 'remote' && restoreHost.kind === 'remote') {
    const sending = await sendingOf(filling, filling.places);
    return {
      finish: await buildThere({ ...filling, sending }, stages, context),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const staging = isPlain ? undefined : await makeStaging(filling.stagingPath);
  try {
    const from = staging === undefined ? filling.places : await buildStaged(filling, { staging, stages, context });
    const sending = await sendingOf(filling, from);
    await stages.run('send', filling.totalBytes, () => sendTrees(sending, context));
    return {
      finish: async () => {
        await sendControlFile(sending, context);
      },
      [Symbol.asyncDispose]: async () => await staging?.[Symbol.asyncDispose](),
    };
  } catch (error) {
    await staging?.[Symbol.asyncDispose]();
    throw error;
  }
}

interface StagedBuilding {
  readonly staging: Staging;
  readonly stages: StageClock;
  readonly context: Context;
}

/** Builds the whole cluster on this host first; gives the places with the staging folder as their source. */
async function buildStaged(filling: Filling, { staging, stages, context }: StagedBuilding): Promise<Building['places']> {
  const { places } = filling;
  const data = join(staging.path, 'data');
  const staged = {
    source: places.source,
    destination: data,
    tablespaces: places.tablespaces.map((move) => ({ ...move, location: join(staging.path, String(move.oid)) })),
  };
  const finish = await buildTrees({ ...filling, places: staged }, stages, context);
  await finish();
  return {
    source: data,
    destination: places.destination,
    tablespaces: places.tablespaces.map((move) => ({ ...move, source: join(staging.path, String(move.oid)) })),
  };
}

async function sendingOf(filling: Filling, places: Building['places']): Promise<Sending> {
  const { restoreHost, request, keptLinks } = filling;
  return {
    ...request,
    places,
    restoreHost,
    keptLinks,
    login: restoreHost.login,
    compresses: request.usesNetworkCompression && restoreHost.login !== undefined,
    safeHorizon: request.isDelta ? await safeHorizon(filling) : undefined,
    totalBytes: filling.totalBytes,
    environment: filling.environment,
  };
}

/** All files are compared by content. */
const everything: Timestamp = { epochMicros: 0n, offsetMinutes: 0 };

/** Files that changed since the older of two backups began may differ although size and time are the same (docs/reference/engine.md section 12.5). */
async function safeHorizon({ restoreHost, places, source }: Filling): Promise<Timestamp> {
  const own = source.leaf.backup.beginTime ?? everything;
  const path = join(places.destination, '.barman-recover.info');
  if ((await restoreHost.find(path)) === undefined) return own;
  try {
    const text = (await restoreHost.readFile(path)).toString('utf8');
    const there = parseBackupInfo(text, source.leaf.backup.id, path).beginTime;
    if (there === null) return everything;
    return there.epochMicros < own.epochMicros ? there : own;
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return everything; // it cannot be read
  }
}
