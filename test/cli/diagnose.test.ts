import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { recordPath, writeCatalog, writtenBackups } from '../helpers/write-catalog.ts';

const server = { conninfo: 'host=127.0.0.1 port=1 password=geheim', archiver: true, backup_method: 'postgres' };

/** As far as these tests look. */
interface Diagnosed {
  readonly global: { readonly config: Record<string, unknown>; readonly system_info: Record<string, string> };
  readonly models: Record<string, { readonly config: Record<string, unknown> }>;
  readonly servers: Record<string, DiagnosedServer>;
}

interface DiagnosedServer {
  readonly config: Record<string, unknown>;
  readonly backups: Record<string, { readonly begin_time: string }>;
  readonly msg_list: readonly string[];
  readonly status: Record<string, unknown>;
  readonly system_info?: unknown;
  readonly wals: { readonly last_archived_wal_per_timeline: Record<string, unknown> };
}

async function diagnosed(home: TestHome, ...words: string[]): Promise<Diagnosed> {
  const { stdout, exitCode } = await runPgcellar(['diagnose', ...words], { home });
  expect(exitCode).toBe(0);
  expect(stdout).not.toContain('geheim');
  return JSON.parse(stdout) as Diagnosed;
}

test('broken parts are in the answer', async () => {
  await using home = await createTestHome({
    servers: {
      main: server,
      off: { ...server, active: false },
      bad: { archiver: true, backup_method: 'postgres' },
      far: {
        ...server,
        backup_method: 'rsync',
        backup_options: 'concurrent_backup',
        ssh_command: 'ssh -o BatchMode=yes -p 1 nobody@127.0.0.1',
      },
    },
  });
  await home.writeServer('calm', { model: true, cluster: 'main', conninfo: 'host=h password=geheim' });
  await writeCatalog(home, 'main');
  await writeFile(recordPath(home, 'main', writtenBackups.failed), 'nonsense\n');
  const { global, models, servers } = await diagnosed(home);
  expect(global.config).toMatchObject({ barman_home: home.path, errors_list: [] });
  expect(global.system_info['kernel_ver']).toMatch(/^Linux /);
  expect(models['calm']?.config).toMatchObject({ cluster: 'main', model: true, conninfo: 'host=h password=*REDACTED*' });
  const { main, off, bad, far } = servers;
  expect(Object.keys(main!.backups)).toEqual([writtenBackups.weekly, writtenBackups.firstTwin, writtenBackups.secondTwin]);
  expect(main!.backups[writtenBackups.weekly]?.begin_time).toBe('2024-03-01T02:00:00+00:00');
  expect(main!.msg_list).toEqual([expect.stringContaining(`${writtenBackups.failed}-backup.info:1: `)]);
  expect(main!.wals.last_archived_wal_per_timeline).toEqual({
    '00000001': {
      name: '000000010000000000000008',
      size: 16_777_216,
      time: 1_709_517_600,
      compression: null,
      encryption: null,
    },
  });
  expect(main!.status['connection_error']).toContain('Connection refused');
  expect(off!.status).toEqual({});
  expect(bad!.msg_list).toEqual(["server 'bad': conninfo is missing"]);
  expect(far!.system_info).toBeUndefined();
  expect(far!.msg_list).toHaveLength(1);
});

test('tells where each value comes from', async () => {
  await using home = await createTestHome({ servers: { main: server }, global: { compression: 'gzip' } });
  const { global, servers } = await diagnosed(home, '--show-config-source');
  expect(global.config['compression']).toEqual({ source: home.configFile, value: 'gzip' });
  expect(global.config['errors_list']).toEqual([]);
  const { config } = servers['main']!;
  expect(config['archiver']).toEqual({ source: join(home.folder, 'barman.d', 'main.conf'), value: true });
  expect(config['compression']).toEqual({ source: home.configFile, value: 'gzip' });
  expect(config['parallel_jobs']).toEqual({ source: 'default', value: 1 });
});

test('runs where servers share a folder, which stops every other verb, and is one text in JSON', async () => {
  await using home = await createTestHome({ servers: { main: server, twin: server } });
  await home.writeServer('twin', { ...server, wals_directory: home.server('main', 'wals') });
  expect((await runPgcellar(['list-servers'], { home })).exitCode).toBe(1);
  expect((await diagnosed(home)).global.config['errors_list']).toHaveLength(1);
  const { stdout } = await runPgcellar(['-f', 'json', 'diagnose'], { home });
  const [text = ''] = (JSON.parse(stdout) as { _INFO: string[] })._INFO;
  expect(Object.keys((JSON.parse(text) as Diagnosed).servers)).toEqual(['main', 'twin']);
});
