import type { Server } from '../config/server.ts';
import type { Application } from './assemble.ts';

/** Does the work of one server after the other: a failure of one, also one that is a bug of ours, is told, and the next has its turn. */
export async function forEachServer(
  servers: readonly Server[],
  application: Application,
  work: (server: Server) => Promise<void>,
): Promise<void> {
  for (const server of servers) {
    try {
      await work(server);
    } catch (error) {
      if (application.context.signal.aborted) throw error;
      application.tellFailure(error);
    }
  }
}
