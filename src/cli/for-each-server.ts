import type { Application } from '../assemble.ts';
import type { Server } from '../config/server.ts';
import { expectedFailureOf } from '../shared/operator-error.ts';

/** Does the work of one server after the other: an expected failure of one is told, and the next has its turn. */
export async function forEachServer(
  servers: readonly Server[],
  application: Application,
  work: (server: Server) => Promise<void>,
): Promise<void> {
  for (const server of servers) {
    try {
      await work(server);
    } catch (error) {
      const failure = expectedFailureOf(error);
      if (failure === undefined || application.context.signal.aborted) throw error;
      application.tellFailure(failure);
    }
  }
}
