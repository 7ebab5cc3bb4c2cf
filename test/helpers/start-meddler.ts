// Stands between a client and a real server, without TLS, and changes what the server says: a server in other hands that knows its trade.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

interface ServerMessage {
  /** As in the manual's "Message Formats": `D` for a row, `d` for data of a copy. */
  readonly type: string;
  /** Without type and length. */
  readonly body: Buffer;
  /** The last statement that the client sent in this connection. */
  readonly sql: string;
}

/** What a client gets instead of a message; undefined leaves it as it is. */
type Meddling = (message: ServerMessage) => Buffer | undefined;

export interface Meddler extends AsyncDisposable {
  readonly port: number;
  /** From now on; undefined passes everything. */
  meddle(meddling: Meddling | undefined): void;
}

/** A message of PostgreSQL: its type, its length, its bytes. */
export function serverMessage(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

/** A message `D` with these values. */
export function rowOf(values: readonly (Buffer | string | null)[]): Buffer {
  const parts: Buffer[] = [word16(values.length)];
  for (const value of values) {
    const bytes = value === null ? undefined : Buffer.from(value);
    parts.push(word32(bytes?.length ?? 0xffff_ffff), bytes ?? Buffer.alloc(0));
  }
  return serverMessage('D', Buffer.concat(parts));
}

/** The values of a message `D`. */
export function valuesOf(body: Buffer): (string | null)[] {
  const values: (string | null)[] = [];
  let at = 2;
  for (let left = body.readUInt16BE(0); left > 0; left--) {
    const length = body.readInt32BE(at);
    at += 4;
    values.push(length < 0 ? null : body.toString('utf8', at, at + length));
    at += Math.max(0, length);
  }
  return values;
}

export async function startMeddler(server: { readonly port: number }): Promise<Meddler> {
  let meddling: Meddling | undefined;
  const sockets = new Set<Socket>();
  const listener = createServer((client) => {
    const upstream = connect(server.port, '127.0.0.1');
    let sql = '';
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      one.on('end', () => other.end());
    }
    let isStarted = false;
    const fromClient = new Messages((type, body) => {
      if (type === 'Q') sql = body.toString('utf8', 0, body.length - 1);
      if (type === 'P') sql = body.toString('utf8', body.indexOf(0) + 1, body.indexOf(0, body.indexOf(0) + 1));
    });
    client.on('data', (bytes) => {
      if (!isStarted && bytes.length === 8) {
        client.write('N');
        return;
      }
      if (isStarted) fromClient.write(bytes);
      isStarted = true;
      if (!upstream.write(bytes)) client.pause();
    });
    upstream.on('drain', () => client.resume());
    const fromServer = new Messages((type, body) => {
      const message = meddling?.({ type, body, sql }) ?? serverMessage(type, body);
      if (!client.write(message)) upstream.pause();
    });
    upstream.on('data', (bytes) => {
      fromServer.write(bytes);
    });
    client.on('drain', () => upstream.resume());
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return {
    port: address.port,
    meddle: (wanted) => {
      meddling = wanted;
    },
    [Symbol.asyncDispose]: async () => {
      const closed = once(listener, 'close');
      listener.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Takes a stream apart that is past its first message. */
class Messages {
  readonly #onMessage: (type: string, body: Buffer) => void;
  #rest = Buffer.alloc(0);

  constructor(onMessage: (type: string, body: Buffer) => void) {
    this.#onMessage = onMessage;
  }

  write(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= 5) {
      const end = 1 + this.#rest.readUInt32BE(1);
      if (this.#rest.length < end) return;
      this.#onMessage(this.#rest.toString('latin1', 0, 1), this.#rest.subarray(5, end));
      this.#rest = this.#rest.subarray(end);
    }
  }
}

function word16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function word32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
