import { once } from 'node:events';
import { Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, TLSSocket } from 'node:tls';
import { OperatorError } from '../shared/operator-error.ts';

/** Where one attempt to connect goes, and how. */
interface Channel {
  /** Path of a socket (a first byte of 0 is one without a file), or address and port. */
  readonly to: { readonly path: string } | { readonly host: string; readonly port: number };
  /** Undefined leaves it in clear. */
  readonly tls: ConnectionOptions | undefined;
  /** TLS from the first byte, without asking the server. */
  readonly isDirect: boolean;
  /** Seconds of silence before keepalives begin; undefined sends none. */
  readonly keepaliveSeconds: number | undefined;
  readonly signal: AbortSignal;
}

/** The server has no TLS: where it is only preferred, the connection may go on without it. */
export class NoTls extends Error {}

/** Length, and the code of an SSLRequest (PostgreSQL manual, Message Formats). */
const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/**
 * Opens a connection up to where the protocol of PostgreSQL begins.
 * @throws what the network or TLS says, {@link NoTls}, or the reason of the signal
 */
export async function openChannel({ to, tls, isDirect, keepaliveSeconds, signal }: Channel): Promise<Socket> {
  const socket = new Socket();
  const abort = (): void => {
    socket.destroy(signal.reason instanceof Error ? signal.reason : new Error('given up'));
  };
  signal.addEventListener('abort', abort, { once: true });
  try {
    signal.throwIfAborted();
    socket.connect(to);
    await once(socket, 'connect', { signal });
    socket.setNoDelay(true);
    if (keepaliveSeconds !== undefined) socket.setKeepAlive(true, keepaliveSeconds * 1000);
    if (tls === undefined) return socket;
    if (!isDirect) await askForTls(socket);
    return await encrypt(socket, { ...tls, signal }, isDirect);
  } catch (error) {
    socket.destroy();
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** One byte is the answer. More in clear could be slipped in by somebody between us. */
async function askForTls(socket: Socket): Promise<void> {
  socket.write(sslRequest);
  const ended = once(socket, 'end').then(() => {
    throw new Error('the server closed the connection instead of answering whether it has TLS');
  });
  ended.catch(() => undefined); // the answer may come first
  const [answer] = (await Promise.race([once(socket, 'data'), ended])) as [Buffer]; // a stream without an encoding gives bytes
  socket.pause();
  if (answer.length !== 1) throw new Error('the server sent more than an answer to the request for TLS');
  if (answer[0] === 0x4e) throw new NoTls('the server does not support SSL connections');
  if (answer[0] !== 0x53) throw new Error('the server gave no proper answer to the request for TLS');
}

async function encrypt(
  socket: Socket,
  { signal, ...options }: ConnectionOptions & { readonly signal: AbortSignal },
  isDirect: boolean,
): Promise<Socket> {
  const secured = connectTls({ ...options, socket });
  await once(secured, 'secureConnect', { signal });
  if (isDirect && secured.alpnProtocol !== 'postgresql') {
    throw new OperatorError('connection-failed', 'the server does not speak PostgreSQL over direct TLS', {
      hint: 'sslnegotiation=direct needs PostgreSQL 17 or newer on the server',
    });
  }
  return secured;
}

/** Whether a connection is encrypted. */
export function isEncrypted(socket: Socket): boolean {
  return socket instanceof TLSSocket;
}
