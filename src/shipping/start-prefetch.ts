import { stat } from 'node:fs/promises';
import type { Clock } from '../shared/clock.ts';
import type { Environment } from '../shared/environment.ts';
import { readLockOwner } from '../shared/file-lock.ts';
import { isAlive } from '../shared/is-alive.ts';
import { systemCodeOf } from '../shared/operator-error.ts';
import { startDetached } from '../transport/programs/start-detached.ts';
import { nextSegment, parseSegmentName, type SegmentName } from '../wal/wal-name.ts';
import type { Spool } from './spool.ts';

/** What the launcher hands to the process that fetches ahead, in its environment. */
export interface PrefetchOrder {
  /** The command line of the restore_command. */
  readonly argv: readonly string[];
  readonly first: SegmentName;
  readonly segmentSize: number;
  readonly dataFolder: string;
}

interface StartOptions {
  readonly spool: Spool;
  readonly walName: string;
  readonly walDest: string;
  readonly argv: readonly string[];
  /** What the process is started with: its command line follows from the order. */
  readonly script: string;
  readonly dataFolder: string;
  readonly environment: Environment;
  readonly clock: Clock;
}

const orderVariable = 'PGCELLAR_PREFETCH';
const lookEveryMs = 20;
const mostLooks = 50;

/** The order that this process was started with; undefined for a restore_command itself. */
export function readPrefetchOrder(environment: Environment): PrefetchOrder | undefined {
  const text = environment[orderVariable];
  return text === undefined ? undefined : (JSON.parse(text) as PrefetchOrder); // written below
}

/** The environment without the order, for programs that are started. */
export function withoutOrder(environment: Environment): Environment {
  return { ...environment, [orderVariable]: undefined };
}

/** Starts fetching ahead from the segment after this one, in the place of whoever fetched ahead from elsewhere. */
export async function startPrefetch(options: StartOptions): Promise<void> {
  const { spool, walName, walDest, argv, script, dataFolder, environment } = options;
  const segment = parseSegmentName(walName);
  if (segment === undefined) return;
  const { size: segmentSize } = await stat(walDest);
  const owner = await readLockOwner(spool.lock);
  if (owner !== undefined && isAlive(owner)) terminate(owner);
  const order: PrefetchOrder = { argv, first: nextSegment(segment, segmentSize), segmentSize, dataFolder };
  await startDetached([process.execPath, script], {
    environment: { ...environment, [orderVariable]: JSON.stringify(order) },
    keepsOutput: false,
  });
}

/** Waits until whoever filled the spool before has let go of it. */
export async function waitForPredecessor({ lock }: Spool, clock: Clock): Promise<void> {
  for (let looks = 0; looks < mostLooks && (await readLockOwner(lock)) !== undefined; looks++) await clock.sleep(lookEveryMs);
}

function terminate(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch (error) {
    if (systemCodeOf(error) !== 'ESRCH') throw error; // it has ended by itself
  }
}
