// Words of others on our terminal: they are shown, and do nothing.
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';

let home: TestHome;
let server: Server;
const forged = 'no\n\tPostgreSQL: OK\r\nBARMAN OK - all is well\u001B]0;title\u0007\u001B[2K\u009B1A\u202Ex';

beforeAll(async () => {
  home = await createTestHome();
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      const fields = Buffer.from(`SFATAL\0VFATAL\0C28000\0M${forged}\0\0`);
      const head = Buffer.alloc(5);
      head.write('E');
      head.writeInt32BE(fields.length + 4, 1);
      socket.end(Buffer.concat([head, fields]));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? String(address.port) : '';
  const conninfo = `host=127.0.0.1 port=${port} user=barman dbname=postgres sslmode=disable`;
  await home.writeServer('main', { conninfo, streaming_conninfo: conninfo, archiver: 'on' });
});

afterAll(async () => {
  server.close();
  await home[Symbol.asyncDispose]();
});

test.each([
  [['check', 'main']],
  [['check', '--nagios', 'main']],
  [['status', 'main']],
  [['backup', 'main']],
  [['show-servers', 'main']],
  [['replication-status', 'main']],
  [['switch-wal', 'main']],
  [['doctor', 'main']],
])('%s shows what a hostile server says as text', async (words) => {
  for (const as of ['pgcellar', 'barman'] as const) {
    const { stdout, stderr } = await runPgcellar(words, { home, as });
    for (const text of [stdout, stderr]) {
      expect(text).not.toMatch(/^\t?PostgreSQL: OK/m);
      expect(text).not.toMatch(/^BARMAN OK/m);
      expect(text).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e]/);
    }
  }
});
