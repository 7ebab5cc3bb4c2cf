import type { SessionAttributes } from './connection-parameters.ts';

/** The questions for a connection. */
interface Session {
  query(sql: string): Promise<readonly Readonly<Record<string, string | null>>[]>;
}

/** Why a session is not what `target_session_attrs` wants; undefined when it is. */
export async function sessionProblem(connection: Session, wanted: SessionAttributes): Promise<string | undefined> {
  switch (wanted) {
    case 'any':
    case 'prefer-standby':
      return undefined;
    case 'read-write':
      return (await isReadOnly(connection)) ? 'the session is read-only' : undefined;
    case 'read-only':
      return (await isReadOnly(connection)) ? undefined : 'the session is not read-only';
    case 'primary':
      return (await isInRecovery(connection)) ? 'the server is in hot standby mode' : undefined;
    case 'standby':
      return (await isInRecovery(connection)) ? undefined : 'the server is not in hot standby mode';
  }
}

/** `SHOW` works on connections for replication, too. */
async function isReadOnly(session: Session): Promise<boolean> {
  const [row] = await session.query('SHOW transaction_read_only');
  return row?.['transaction_read_only'] === 'on';
}

/** Before PostgreSQL 14 a replication connection cannot tell it; there, a standby is read-only. */
async function isInRecovery(connection: Session): Promise<boolean> {
  const [version] = await connection.query('SHOW server_version_num');
  if (Number(version?.['server_version_num']) < 140_000) return await isReadOnly(connection);
  const [row] = await connection.query('SHOW in_hot_standby');
  return row?.['in_hot_standby'] === 'on';
}
