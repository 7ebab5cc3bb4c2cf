// A server that takes no login: it answers the first message of a connection as it is told, and keeps what is sent after that.
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

/** A message of PostgreSQL: its type, its length, its bytes. */
function message(type: string, body: string): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, Buffer.from(body, 'latin1')]);
}

const refusal = (code: string): Buffer => message('E', `SFATAL\0VFATAL\0C${code}\0Mrefused\0\0`);

/** What a server may answer to the first message, by a name. */
const answers = {
  'asks in clear': message('R', '\0\0\0\u0003'),
  'asks for md5': message('R', '\0\0\0\u0005salt'),
  'asks for scram': message('R', '\0\0\0\u000aSCRAM-SHA-256\0\0'),
  'asks for gss': message('R', '\0\0\0\u0007'),
  'lets in': Buffer.concat([message('R', '\0\0\0\0'), message('K', '\0\0\0\u0001\0\0\0\u0001'), message('Z', 'I')]),
  'starts up': refusal('57P03'),
  'knows no user': refusal('28000'),
  'says nothing': Buffer.alloc(0),
  'is no PostgreSQL': Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
} as const;

export interface FakeServer extends AsyncDisposable {
  readonly port: number;
  /** Number of logins that began. */
  logins(): number;
  /** All that clients sent behind their first message. */
  received(): string;
}

/** Takes connections without TLS. */
export async function startFakeServer(answer: keyof typeof answers): Promise<FakeServer> {
  let logins = 0;
  let received = '';
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    let hasBegun = false;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (bytes) => {
      if (hasBegun) received += bytes.toString('latin1');
      else if (bytes.length === 8) socket.write('N');
      else {
        hasBegun = true;
        logins += 1;
        socket.write(answers[answer]);
        if (answer === 'starts up' || answer === 'knows no user') socket.end();
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return {
    port: address.port,
    logins: () => logins,
    received: () => received,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
