import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

interface DelayedLink extends AsyncDisposable {
  readonly port: number;
}

/**
 * A port of this host behind which another one lies, each way so many milliseconds away: what `tc netem` does where the kernel has it. What was
 * sent goes on as fast as it came, so the link is long, not narrow.
 */
export async function openDelayedLink(toPort: number, delayMs: number): Promise<DelayedLink> {
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ port: toPort, host: '127.0.0.1', noDelay: true });
    passOn(near, far, delayMs);
    passOn(far, near, delayMs);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port, // of a port, not of a path
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}

function passOn(from: Socket, to: Socket, delayMs: number): void {
  from.on('data', (chunk: Buffer) => setTimeout(() => to.writable && to.write(chunk), delayMs));
  from.on('end', () => setTimeout(() => to.end(), delayMs));
  from.on('error', () => to.destroy());
  from.on('close', () => setTimeout(() => to.destroy(), delayMs));
}
