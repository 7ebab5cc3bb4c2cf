import { serverLockPath } from '../catalog/server-layout.ts';
import { hasReceiverBegun } from '../catalog/wal/list-streamed.ts';
import type { Server } from '../config/server.ts';
import {
  createRestorePoint,
  readIsInRecovery,
  readPrivileges,
  requestCheckpoint,
  switchWal,
} from '../postgres/server-queries.ts';
import { isLockHeld } from '../shared/file-lock.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { accessible } from './accessible.ts';
import type { CheckFacts, CheckTools, QueryAccess } from './check.ts';

const pauseMs = 500;
/** Of a check without a limit. */
const usualTimeoutSeconds = 30;

/**
 * Makes a server that shipped nothing yet close a segment, and archives until it is there; a third of the time of all checks may pass
 * (docs/reference/config-checks-hooks.md section 9.2, row 1).
 * @returns whether the archive holds something now
 */
export async function fetchFirstWal(facts: CheckFacts, tools: CheckTools): Promise<boolean> {
  const access = accessible(facts.walConnection ?? facts.connection);
  if (access === undefined || !(await canArrive(facts.server))) return false;
  const { clock, signal } = tools.context;
  const limit = clock.elapsedMs() + ((tools.timeoutSeconds === 0 ? usualTimeoutSeconds : tools.timeoutSeconds) * 1000) / 3;
  while (!(await wouldGetNext(facts.server)) && clock.elapsedMs() < limit) await sleep(clock.sleep(pauseMs, signal), signal);
  if (!(await closeSegment(access))) return false;
  while (clock.elapsedMs() < limit) {
    await tools.archivePending();
    if (!(await facts.wal.readAgain()).isEmpty) return true;
    await sleep(clock.sleep(pauseMs, signal), signal);
  }
  return false;
}

/** Nothing is worth waiting for when only a receiver could bring it and none runs. */
async function canArrive({ config, layout }: Server): Promise<boolean> {
  return config.options.archiver || (await isLockHeld(serverLockPath(layout, 'receive-wal')));
}

/** A receiver that is only just starting has no slot yet, and would never get the segment that is closed now. */
async function wouldGetNext({ config, layout }: Server): Promise<boolean> {
  return config.options.archiver || (await hasReceiverBegun(layout));
}

async function closeSegment({ connection, version }: QueryAccess): Promise<boolean> {
  if (await readIsInRecovery(connection)) return false;
  const { canBackUp, canCheckpoint } = await readPrivileges(connection, version.number);
  if (!canBackUp) return false;
  if ((await switchWal(connection)) === undefined && canCheckpoint) {
    await requestCheckpoint(connection); // writes WAL, so that there is something to close
    await switchWal(connection);
  }
  // the receiver's last whole segment is archived only once the next one has begun, which on an idle server takes a record
  await createRestorePoint(connection, 'pgcellar_first_wal');
  return true;
}

async function sleep(pause: Promise<void>, signal: AbortSignal): Promise<void> {
  try {
    await pause;
  } catch (error) {
    if (signal.aborted)
      throw new OperatorError('interrupted', 'stopped while waiting for the first WAL file', { cause: error });
    throw error;
  }
}
