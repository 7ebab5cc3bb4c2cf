import type { Server } from '../config/server.ts';
import { forEachAtOnce } from '../shared/for-each-at-once.ts';
import type { Application } from './assemble.ts';
import { forEachServer } from './for-each-server.ts';

interface SideBySide {
  readonly servers: readonly Server[];
  readonly application: Application;
  readonly atOnce: number;
}

/** Works on several servers at a time and tells the outcomes in the order of the servers, each as soon as those before it are told. */
export async function forEachServerSideBySide<T>(
  { servers, application, atOnce }: SideBySide,
  work: (server: Server) => Promise<T>,
  tell: (outcome: T) => void,
): Promise<void> {
  const places = servers.map((server) => placeFor<T>(server));
  const running = forEachAtOnce(places, atOnce, async ({ server, outcome, settle }) => {
    settle(work(server));
    await Promise.allSettled([outcome]);
  });
  const turns = places.values();
  await forEachServer(servers, application, async () => {
    const turn = turns.next();
    if (turn.done !== true) tell(await turn.value.outcome);
  });
  await running;
}

interface Place<T> {
  readonly server: Server;
  /** What the work came to, once it was begun and has ended. */
  readonly outcome: Promise<T>;
  readonly settle: (work: Promise<T>) => void;
}

function placeFor<T>(server: Server): Place<T> {
  let settle: (work: Promise<T>) => void = () => undefined;
  const outcome = new Promise<T>((resolve) => {
    settle = resolve;
  });
  outcome.catch(() => undefined); // told in its turn, which may come later
  return { server, outcome, settle };
}
