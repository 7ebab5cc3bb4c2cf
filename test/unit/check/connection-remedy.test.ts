import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { connectionRemedy } from '../../../src/check/connection-remedy.ts';
import { ServerNodes } from '../../../src/postgres/server-nodes.ts';
import { createTemporaryFolder } from '../../helpers/temporary-folder.ts';

test.each([
  ['a list of hosts', 'host=127.0.0.1,127.0.0.2 port=1,2 user=u'],
  ['a list in a service', 'service=two'],
  ['a service and an own port', 'service=one-port port=1,2'],
])('%s: each host is named with its port', async (_, conninfo) => {
  await using folder = await createTemporaryFolder('services');
  const file = join(folder.path, 'services.conf');
  writeFileSync(file, '[two]\nhost=127.0.0.1,127.0.0.2\nport=1,2\nuser=u\n[one-port]\nhost=127.0.0.1,127.0.0.2\nuser=u\n');
  const nodes = new ServerNodes({ conninfo, streamingConninfo: undefined }, { PGSERVICEFILE: file });
  const error: unknown = await nodes.queries().catch((failure: unknown) => failure);
  const remedy = await connectionRemedy({ key: 'conninfo', conninfo, isReplication: false, error });
  expect(remedy.key).toBe('not-listening');
  expect(remedy.values).toMatchObject({ where: '127.0.0.1 port 1 and 127.0.0.2 port 2' });
});
