import type { Server } from '../config/server.ts';
import { forEachConcurrently } from '../shared/for-each-concurrently.ts';
import type { Application } from './assemble.ts';
import { forEachServer } from './for-each-server.ts';

interface Concurrently {
  readonly servers: readonly Server[];
  readonly application: Application;
  readonly concurrency: number;
}

/** Works on several servers at a time and tells the outcomes in the order of the servers, each as soon as those before it are told. */
export async function forEachServerConcurrently<T>(
  { servers, application, concurrency }: Concurrently,
  work: (server: Server) => Promise<T>,
  tell: (outcome: T) => void,
): Promise<void> {
  const turns = servers.map((server) => turnFor<T>(server));
  const running = forEachConcurrently(turns, concurrency, async ({ server, outcome, settle }) => {
    settle(work(server));
    await Promise.allSettled([outcome]);
  });
  const remaining = turns.values();
  await forEachServer(servers, application, async () => {
    const turn = remaining.next();
    if (turn.done !== true) tell(await turn.value.outcome);
  });
  await running;
}

interface Turn<T> {
  readonly server: Server;
  /** The result of the work, when it has ended. */
  readonly outcome: Promise<T>;
  readonly settle: (work: Promise<T>) => void;
}

function turnFor<T>(server: Server): Turn<T> {
  let settle: (work: Promise<T>) => void = () => undefined;
  const outcome = new Promise<T>((resolve) => {
    settle = resolve;
  });
  outcome.catch(() => undefined); // told in its turn, which may come later
  return { server, outcome, settle };
}
