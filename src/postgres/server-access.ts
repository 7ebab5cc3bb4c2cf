import type { Environment } from '../shared/environment.ts';
import { answeringWithin, longestAnswerMs, shortAnswerMs } from './answering-within.ts';
import { type Connection, connect } from './connect.ts';
import type { Conninfo } from './conninfo.ts';
import { withService } from './service-file.ts';

/**
 * Opens a connection for queries.
 * @param conninfo text, or parameters without a service
 * @param answerMs how long each answer is waited for
 * @throws OperatorError `connection-failed`, or `configuration-invalid` for a string that asks for what cannot be had
 */
export async function connectForQueries(
  conninfo: string | Conninfo,
  environment: Environment,
  signal?: AbortSignal,
  answerMs: number = longestAnswerMs,
): Promise<Connection> {
  const opened = await connect({
    conninfo: typeof conninfo === 'string' ? withService(conninfo, environment) : conninfo,
    environment,
    applicationName: 'barman',
    signal,
  });
  // the first answer tells a server that hangs from one that works long on a question
  await answeringWithin(opened, Math.min(answerMs, shortAnswerMs)).query("SET datestyle TO 'ISO'"); // instants come as text
  return answeringWithin(opened, answerMs);
}

/** Opens a connection for replication commands, which are answered immediately, seen on the server under `applicationName`. */
export async function connectForReplication(
  conninfo: string | Conninfo,
  environment: Environment,
  applicationName = 'barman',
  signal?: AbortSignal,
): Promise<Connection> {
  const opened = await connect({
    conninfo: typeof conninfo === 'string' ? withService(conninfo, environment) : conninfo,
    environment,
    applicationName,
    isReplication: true,
    signal,
  });
  return answeringWithin(opened, shortAnswerMs);
}
