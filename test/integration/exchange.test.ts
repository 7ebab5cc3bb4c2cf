// A real backup with a tablespace, exported, imported on another backup host, restored and started there; a real Barman reads it.
import { copyFile, mkdir, readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { describeEachPostgres, testedMajors } from '../helpers/installations.ts';
import { runOracle } from '../helpers/run-oracle.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, streamingServer } from '../helpers/test-home.ts';

describeEachPostgres(
  (major) => {
    test('an exported backup is imported elsewhere, and starts after its restore', async () => {
      await using cluster = await startCluster({ major });
      await using place = await createTemporaryFolder('ts', { owner: 'server' });
      await using home = await createTestHome({
        servers: { main: streamingServer(cluster, { immediate_checkpoint: true, compression: 'gzip' }) },
      });
      await startReceiver(home, cluster);
      await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
      await cluster.query(`CREATE TABLESPACE far LOCATION '${place.path}'`);
      await cluster.query("CREATE TABLE far TABLESPACE far AS SELECT 'far away' AS place");
      await runWell(['backup', '--wait', '--name', 'travels', 'main'], { home });
      const folder = await home.makeFolder('out');
      await runWell(['export-backup', '--compression', 'gzip', 'main', 'travels', folder], { home });
      const [tarball = ''] = await readdir(folder);

      await using other = await createTestHome({ servers: { main: streamingServer(cluster, { slot_name: 'other' }) } });
      await mkdir(other.server('main'));
      await copyFile(home.server('main', 'identity.json'), other.server('main', 'identity.json'));
      await runWell(['import-backup', 'main', join(folder, tarball)], { home: other });
      const id = (await runWell(['list-backups', '--minimal', 'main'], { home: other })).trim();
      const data = other.server('main', 'base', id, 'data');
      expect((await stat(data)).mode & 0o777).toBe((await stat(home.server('main', 'base', id, 'data'))).mode & 0o777);
      const [oid = ''] = await readdir(join(data, 'pg_tblspc'));
      expect(await readlink(join(data, 'pg_tblspc', oid))).toBe(other.server('main', 'base', id, oid));
      expect(await readFile(other.server('main', 'meta', `${id}-backup.info`), 'utf8')).toBe(
        await readFile(home.server('main', 'meta', `${id}-backup.info`), 'utf8'),
      );
      const seen = await runOracle(['list-backups', 'main'], { home: other });
      expect(seen.stdout).toMatch(new RegExp(`^main ${id} 'travels' - F - `));

      const [restored, far] = [join(other.folder, 'restored'), join(other.folder, 'far')];
      await runWell(
        ['restore', '--target-immediate', '--target-action', 'promote', '--tablespace', `far:${far}`, 'main', id, restored],
        {
          home: other,
        },
      );
      await using again = await startRestored({ dataDir: restored, tablespaces: [far], major, wait: 'promoted' });
      expect(await again.value('SELECT place FROM far')).toBe('far away');
    });
  },
  [testedMajors.at(-1) ?? 17],
);
