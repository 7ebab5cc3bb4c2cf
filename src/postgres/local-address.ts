import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/**
 * The address that a host sees us under, with the mask of a line of `pg_hba.conf`: what the routes say. Nothing is sent.
 * @returns undefined when there is no route to the host, or no such host
 */
export async function localAddressTowards(host: string, port: number): Promise<string | undefined> {
  for (const [family, mask] of [
    ['udp4', 32],
    ['udp6', 128],
  ] as const) {
    const socket = createSocket(family);
    try {
      socket.connect(port, host);
      await once(socket, 'connect');
      return `${socket.address().address}/${String(mask)}`;
    } catch (error) {
      if (!(error instanceof Error)) throw error; // no route, no such host: the other family may have one
    } finally {
      socket.close();
    }
  }
  return undefined;
}
