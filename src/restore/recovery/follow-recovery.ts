import { type Connection, connect, type Row } from '../../postgres/connect.ts';
import type { Context } from '../../shared/context.ts';
import type { Environment } from '../../shared/environment.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { type Lsn, parseLsn } from '../../wal/lsn.ts';
import type { RecoveryTarget } from '../target/recovery-target.ts';
import { readRecoveryLog } from './recovery-log.ts';
import type { PrivateServer } from './start-server.ts';

interface Following {
  readonly server: PrivateServer;
  readonly target: RecoveryTarget;
  /** Roles to try, any of which can ask. */
  readonly users: readonly string[];
  readonly from: Lsn | undefined;
  /** Where the WAL ends, or the target when it is known. */
  readonly to: Lsn | undefined;
  readonly standbyMode: boolean;
  readonly version: number;
  readonly environment: Environment;
}

/** How far a recovery came. */
export interface RecoveryOutcome {
  readonly hasReachedTarget: boolean;
  /** The state of the server. */
  readonly state: 'paused' | 'open' | 'standby' | 'stopped';
  readonly replayedTo: string | undefined;
  /** Time of the last commit that was replayed, as the server shows it. */
  readonly lastCommitAt: string | undefined;
  readonly logLines: readonly string[];
}

interface Position {
  readonly isInRecovery: boolean;
  readonly isPaused: boolean;
  readonly replayedTo: string | undefined;
  readonly lastCommitAt: string | undefined;
}

const everyMs = 500;
const toldEveryMs = 10_000;
/** A standby that has replayed everything waits for more. */
const idleMs = 10_000;

/**
 * Watches a server replay WAL until it has reached its target, cannot go on, or has ended. It is stopped when we are told to stop.
 * @throws OperatorError `interrupted`
 */
export async function followRecovery(following: Following, context: Context): Promise<RecoveryOutcome> {
  const { server, target, from, to } = following;
  const total = from === undefined || to === undefined || to <= from ? undefined : Number(to - from);
  context.progress.begin({ label: 'Replaying WAL', totalBytes: total });
  try {
    const position = await watch(following, context);
    const log = readRecoveryLog(await server.log(), target);
    const state = stateOf(position, following);
    const isThere = log.hasReachedTarget || (state === 'standby' && target.kind === 'none');
    const { replayedTo, lastCommitAt } = position ?? {};
    return { hasReachedTarget: isThere, state, replayedTo, lastCommitAt, logLines: log.lines };
  } catch (error) {
    server.stop();
    throw error;
  } finally {
    context.progress.end();
  }
}

/** The last position that was seen. */
async function watch(following: Following, context: Context): Promise<Position | undefined> {
  const { server, from, standbyMode } = following;
  const { clock, messages, progress, signal } = context;
  let position: Position | undefined;
  let toldMs = clock.elapsedMs();
  let movedMs = clock.elapsedMs();
  while (server.isRunning()) {
    const now = await ask(following);
    if (now?.replayedTo !== position?.replayedTo) movedMs = clock.elapsedMs();
    position =
      now === undefined
        ? position
        : {
            ...now,
            replayedTo: now.replayedTo ?? position?.replayedTo,
            lastCommitAt: now.lastCommitAt ?? position?.lastCommitAt,
          };
    if (now !== undefined && (now.isPaused || !now.isInRecovery)) return position;
    if (standbyMode && now !== undefined && clock.elapsedMs() - movedMs > idleMs) return position;
    const replayed = position?.replayedTo === undefined ? undefined : parseLsn(position.replayedTo);
    if (replayed !== undefined && from !== undefined && replayed > from) progress.advance(Number(replayed - from));
    if (clock.elapsedMs() - toldMs > toldEveryMs && position?.replayedTo !== undefined) {
      toldMs = clock.elapsedMs();
      messages.info(`Replayed to ${position.replayedTo}, last commit ${position.lastCommitAt ?? 'unknown'}`);
    }
    if (signal.aborted) throw new OperatorError('interrupted', 'interrupted by a signal; the restored server is stopped');
    await clock.sleep(everyMs, signal).catch(() => undefined); // the loop meets the same signal
  }
  return position;
}

async function ask({ server, users, version, environment }: Following): Promise<Position | undefined> {
  const paused = version >= 140_000 ? "pg_get_wal_replay_pause_state() = 'paused'" : 'pg_is_wal_replay_paused()';
  const sql = `SELECT pg_is_in_recovery() AS recovering, pg_is_in_recovery() AND ${paused} AS paused,
    pg_last_wal_replay_lsn()::text AS lsn, pg_last_xact_replay_timestamp()::text AS commit`;
  for (const user of users) {
    const conninfo = new Map([
      ['host', server.socketFolder],
      ['port', String(server.port)],
      ['user', user],
      ['dbname', 'postgres'],
    ]);
    try {
      await using connection: Connection = await connect({ conninfo, environment, applicationName: 'pgcellar' });
      const [row] = await connection.query(sql);
      return row === undefined ? undefined : positionOf(row);
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error; // it does not take connections yet, or has no such role
    }
  }
  return undefined;
}

function positionOf(row: Row): Position {
  return {
    isInRecovery: row['recovering'] === 't',
    isPaused: row['paused'] === 't',
    replayedTo: row['lsn'] ?? undefined,
    lastCommitAt: row['commit'] ?? undefined,
  };
}

function stateOf(position: Position | undefined, { server, standbyMode }: Following): RecoveryOutcome['state'] {
  if (!server.isRunning()) return 'stopped';
  if (position?.isPaused === true) return 'paused';
  return standbyMode || position?.isInRecovery === true ? 'standby' : 'open';
}
