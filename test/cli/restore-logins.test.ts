// How often a restore to another host logs in: a login takes a second on a host that asks a directory service or writes an audit trail.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runWell } from '../helpers/run-well.ts';
import { startSshd } from '../helpers/start-sshd.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome } from '../helpers/test-home.ts';
import { writeCatalog, writtenBackups } from '../helpers/write-catalog.ts';

test('one login serves all questions of a plan; a run has one more for all that rsync sends: trees, control file, WAL', async () => {
  const server = { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' };
  await using home = await createTestHome({ servers: { main: server } });
  await writeCatalog(home, 'main');
  await using sshd = await startSshd();
  await using folder = await createTemporaryFolder('lo');
  const dataDir = join(folder.path, 'data');
  const reach = ['--remote-ssh-command', sshd.sshCommand, '--tablespace', `fast:${join(folder.path, 'fast')}`];
  const words = ['restore', ...reach, 'main', writtenBackups.weekly, dataDir];
  await runWell([...words, '--dry-run'], { home });
  expect(await sshd.logins()).toBe(1);
  await runWell(words, { home });
  expect(await sshd.logins()).toBe(1 + 2);
  expect(existsSync(join(dataDir, 'global/pg_control'))).toBe(true);
});
