import { OperatorError } from '../shared/operator-error.ts';
import type { Connection } from './connect.ts';

/** Of work that nobody waits for at a terminal: a server that is only busy answers sooner. */
export const longestAnswerMs = 600_000;
/** Of what is asked for a report, or before work begins. */
export const shortAnswerMs = 20_000;

/**
 * The same connection, each of whose answers is waited for so long at most: a server, or what lies between, may hang after the login, and
 * TCP sees nothing of that. What was asked `as-long-as-it-takes` has no limit.
 */
export function answeringWithin(connection: Connection, limitMs: number): Connection {
  return {
    ...connection,
    query: async (sql, parameters, patience) => {
      const answer = connection.query(sql, parameters);
      if (patience === 'as-long-as-it-takes') return await answer;
      const patientMs = patience === 'some-minutes' ? Math.max(limitMs, longestAnswerMs) : limitMs;
      return await within(patientMs, { answer, sql, connection });
    },
  };
}

interface Asked<T> {
  readonly answer: Promise<T>;
  readonly sql: string;
  readonly connection: Connection;
}

async function within<T>(limitMs: number, { answer, sql, connection }: Asked<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeIsUp = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      void connection.close(); // the next question would wait behind this one
      const seconds = String(limitMs / 1000);
      const text = `PostgreSQL took the connection and does not answer: nothing came for ${seconds} s after: ${sql.slice(0, 60)}`;
      reject(
        new OperatorError('connection-failed', text, {
          hint: "look at the server's log and at pg_stat_activity there; a pooler or a firewall in between may have lost the connection",
        }),
      );
    }, limitMs);
  });
  try {
    return await Promise.race([answer, timeIsUp]);
  } finally {
    clearTimeout(timer);
    answer.catch(() => undefined); // an answer after the time limit is of no interest
  }
}
