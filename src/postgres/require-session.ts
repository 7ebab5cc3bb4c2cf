import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { untilAborted } from '../shared/until-aborted.ts';
import type { Connection } from './connect.ts';
import { readBackendPid } from './server-queries.ts';

/** How often another session is compared: a pooler with other clients may hand out another process by chance. */
const looks = 5;
/** A pooler in session mode lets a second client wait when it has no connection left. */
const patienceMs = 5000;

/**
 * Makes sure that a connection is one session of the server from its first query to its last, which a backup is. A pooler gives a process
 * id of its own with its key; whether it pools sessions shows when another client gets the process that this one should have for itself.
 * @param openAnother opens one more connection with the same parameters
 * @throws OperatorError `backup-refused`
 */
export async function requireSession(
  connection: Connection,
  openAnother: (signal: AbortSignal) => Promise<Connection>,
): Promise<void> {
  const pid = await readBackendPid(connection);
  if (String(connection.keyPid) === pid) return;
  await requireTransactions(connection);
  const limit = AbortSignal.timeout(patienceMs);
  try {
    for (let look = 0; look < looks; look += 1) {
      await using other = await openAnother(limit);
      await other.query('BEGIN'); // holds what it got
      const others = await untilAborted(readBackendPid(other), limit);
      const own = await untilAborted(readBackendPid(connection), limit);
      if (others === pid || own !== pid) throw refuse('transaction');
      await other.query('ROLLBACK');
    }
  } catch (error) {
    if (limit.aborted) return; // the other one has to wait: this one has its process for itself
    throw error;
  }
}

async function requireTransactions(connection: Connection): Promise<void> {
  try {
    await connection.query('BEGIN');
    await connection.query('ROLLBACK');
  } catch (error) {
    const cause = error instanceof OperatorError ? error.cause : error;
    if (systemCodeOf(cause) === undefined) throw error;
    throw refuse('statement');
  }
}

function refuse(mode: 'transaction' | 'statement'): OperatorError {
  return new OperatorError(
    'backup-refused',
    `conninfo reaches PostgreSQL through a pooler that gives each ${mode} another session (pool_mode = ${mode}), but a backup needs one session`,
    { hint: 'let conninfo reach PostgreSQL itself, or give that database pool_mode = session in the pooler' },
  );
}
