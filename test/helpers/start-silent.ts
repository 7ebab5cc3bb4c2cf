// Addresses that take a connection and then leave whoever asks waiting, as a host, a pooler or a firewall that hangs does.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export interface SilentAddress extends AsyncDisposable {
  readonly port: number;
}

/** Takes every connection and never says a word. */
export async function startSilentPort(): Promise<SilentAddress> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => keep(sockets, socket));
  return await listen(server, sockets);
}

/** The message with which PostgreSQL tells that it is ready for a query: the login is over. */
const readyForQuery = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

/** Passes connections on to a PostgreSQL, and nothing back any more once it has let somebody in. */
export async function startSwallowingPostgres(port: number): Promise<SilentAddress> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    let isIn = false;
    keep(sockets, near);
    keep(sockets, far);
    near.pipe(far);
    far.on('data', (chunk: Buffer) => {
      if (isIn) return;
      near.write(chunk);
      isIn = chunk.includes(readyForQuery);
    });
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
  });
  return await listen(server, sockets);
}

function keep(sockets: Set<Socket>, socket: Socket): void {
  sockets.add(socket);
  socket.on('error', () => undefined); // who waited has been killed
  socket.on('close', () => sockets.delete(socket));
}

async function listen(server: Server, sockets: ReadonlySet<Socket>): Promise<SilentAddress> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
