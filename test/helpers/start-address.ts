// An address that stays while the server behind it changes, as a virtual IP address or a connection pooler gives it.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { findFreePort } from './free-port.ts';

export interface Address extends AsyncDisposable {
  readonly port: number;
  /** From now on new connections reach another port; those that are open are cut. */
  moveTo(port: number): void;
}

/** Passes connections on to `port` of this machine. */
export async function startAddress(port: number): Promise<Address> {
  let target = port;
  const sockets = new Set<Socket>();
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const join = (from: Socket, to: Socket): void => {
    sockets.add(from);
    from.pipe(to);
    from.on('error', () => to.destroy()); // either end may break: the other end then sees it
    from.on('close', () => {
      sockets.delete(from);
      to.destroy();
    });
  };
  const server = createServer((incoming) => {
    const outgoing = connect(target, '127.0.0.1');
    join(incoming, outgoing);
    join(outgoing, incoming);
  });
  const own = await findFreePort();
  server.listen(own, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: own,
    moveTo: (next) => {
      target = next;
      cut();
    },
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close');
      server.close();
      cut();
      await closed;
    },
  };
}
