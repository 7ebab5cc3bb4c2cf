import { OperatorError } from '../shared/operator-error.ts';
import { type Lsn, parseLsn } from '../wal/lsn.ts';
import { historyNameOf, parseTimelineHistory, type TimelineSwitch } from '../wal/timeline-history.ts';
import type { Connection } from './connect.ts';
import { sqlStateOf } from './connection-failure.ts';

/** Answer of `IDENTIFY_SYSTEM` (PostgreSQL manual, chapter "Streaming Replication Protocol"). */
export interface StreamIdentity {
  readonly systemid: string;
  readonly timeline: number;
  readonly position: Lsn | undefined;
}

const duplicateObject = '42710';
const undefinedObject = '42704';
const objectInUse = '55006';
const limitReached = '53400';

export async function identifySystem(connection: Connection): Promise<StreamIdentity> {
  const [row] = await connection.query('IDENTIFY_SYSTEM');
  if (row === undefined) throw new OperatorError('query-failed', 'IDENTIFY_SYSTEM gave no answer');
  return {
    systemid: row['systemid'] ?? '',
    timeline: Number(row['timeline']),
    position: parseLsn(row['xlogpos'] ?? ''),
  };
}

/** Where a timeline of the server comes from, oldest ancestor first; nothing for the first one. */
export async function readTimelineHistory(connection: Connection, timeline: number): Promise<readonly TimelineSwitch[]> {
  if (timeline <= 1) return [];
  const [row] = await connection.query(`TIMELINE_HISTORY ${String(timeline)}`);
  return parseTimelineHistory(row?.['content'] ?? '', historyNameOf(timeline));
}

/**
 * Creates a physical slot, which keeps WAL from its first use on, or from now on.
 * @returns `exists` when there is one of that name
 * @throws OperatorError `query-failed` when the server has no room for another
 */
export async function createSlot(
  connection: Connection,
  name: string,
  { reservesWal = false } = {},
): Promise<'created' | 'exists'> {
  try {
    await connection.query(`CREATE_REPLICATION_SLOT ${slotWord(name)} PHYSICAL${reservesWal ? ' RESERVE_WAL' : ''}`);
    return 'created';
  } catch (error) {
    if (sqlStateOf(error) === duplicateObject) return 'exists';
    if (sqlStateOf(error) === limitReached) {
      throw new OperatorError(
        'query-failed',
        `cannot create the replication slot ${name}: all slots of the server are in use`,
        {
          hint: 'raise max_replication_slots, or drop a slot that is no longer needed',
          cause: error,
        },
      );
    }
    throw error;
  }
}

/**
 * Drops a slot.
 * @returns `missing` when there is none, `in-use` when somebody streams from it
 */
export async function dropSlot(connection: Connection, name: string): Promise<'dropped' | 'missing' | 'in-use'> {
  try {
    await connection.query(`DROP_REPLICATION_SLOT ${slotWord(name)}`);
    return 'dropped';
  } catch (error) {
    if (sqlStateOf(error) === undefinedObject) return 'missing';
    if (sqlStateOf(error) === objectInUse) return 'in-use';
    throw error;
  }
}

/** Slot names have letters, digits and underscores only; the protocol takes no parameter there. */
function slotWord(name: string): string {
  if (!/^[0-9a-z_]+$/.test(name)) throw new OperatorError('configuration-invalid', `not a name of a replication slot: ${name}`);
  return name;
}
