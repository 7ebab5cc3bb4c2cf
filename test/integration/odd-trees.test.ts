// Trees as they are: names of any bytes, links that go round in circles or nowhere, pipes, tablespaces in odd places; backed up by every
// method, restored, started, compared.
import { lstat, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { onDisk } from '../../src/shared/file-name.ts';
import { entriesIn } from '../../src/shared/look.ts';
import { Opened } from '../helpers/opened.ts';
import { backUpByRsync, configureRsync, type RsyncStage, restorePlaces, setRsyncStage } from '../helpers/rsync-stage.ts';
import { programPath, runPgcellar, settingsOf } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';

const major = 18;
/** Bytes that are not UTF-8, and characters that mean something to shells, lists and programs. */
const oddNames = ['caf\udce9.txt', '\udcff\udcfe', 'new\nline', 'tab\there', '-rf', 'back\\slash', ' ', '*', '#x', 'ä'];
const oddFolder = 'folder\udce4';

describe('odd trees', () => {
  const opened = new Opened();
  let stage: RsyncStage;

  beforeAll(async () => {
    stage = await setRsyncStage(major, opened, { allow_in_place_tablespaces: 'on' });
    const { cluster } = stage;
    const { dataDir } = cluster;
    await cluster.query(`CREATE TABLESPACE "in place" LOCATION ''`);
    await cluster.query('CREATE TABLE inside TABLESPACE "in place" AS SELECT generate_series(1, 1000) n');
    await cluster.query(`CREATE TABLESPACE self LOCATION '${dataDir}'`);
    await cluster.query('CREATE TABLE own TABLESPACE self AS SELECT generate_series(1, 2000) n');
    await mkdir(onDisk(join(dataDir, oddFolder)));
    for (const name of oddNames) {
      await writeFile(onDisk(join(dataDir, name)), `content of ${name}`);
      await writeFile(onDisk(join(dataDir, oddFolder, name)), name);
    }
    await symlink('..', join(dataDir, 'to its parent'));
    await symlink('.', join(dataDir, oddFolder.slice(0, 3))); // `fol`, to the data folder itself
    await symlink('nowhere', join(dataDir, 'dangling'));
    await symlink('round', join(dataDir, 'round'));
    await writeFile(join(dataDir, 'program'), 'x', { mode: 0o4755 });
    await runProgram(['chmod', '4755', join(dataDir, 'program')]);
    await runProgram(['mkfifo', join(dataDir, 'a pipe')]);
    await runProgram(['chown', '-R', '-h', 'postgres', dataDir]);
    await runProgram(['chmod', '4755', join(dataDir, 'program')]);
  });
  afterAll(async () => opened.close());

  describe.each([
    { method: 'rsync', more: {} },
    { method: 'local-rsync', more: {} },
    { method: 'postgres', more: {} },
    { method: 'postgres', more: { backup_compression: 'gzip', backup_compression_format: 'tar' } },
  ])('by $method $more', ({ method, more }) => {
    test('are backed up, verified, listed, restored and started', async () => {
      await configureRsync(stage, { backup_method: method, ...more });
      const { home } = stage;
      const id = await backUpByRsync(stage);
      const listed = JSON.parse(await runWell(['-f', 'json', 'list-backups', 'main'], { home })) as {
        main: readonly { backup_id: string; status: string }[];
      };
      expect(listed.main.find((one) => one.backup_id === id)?.status).toBe('DONE');
      if (method !== 'postgres') await runWell(['generate-manifest', 'main', id], { home });
      if (!('backup_compression' in more)) await runWell(['verify-backup', 'main', id], { home, postgres: major });
      await runWell(['list-files', 'main', id], { home });
      await using folder = await createTemporaryFolder('ot', { owner: 'server' });
      const places = placesOf(stage, folder.path);
      const there = 'backup_compression' in more ? ['--remote-ssh-command', stage.sshd.sshCommand] : [];
      if (there.length > 0) {
        const far = placesOf(stage, join(folder.path, 'far'));
        await runWell(
          [
            'restore',
            ...there,
            '--staging-path',
            folder.path,
            '--staging-location',
            'remote',
            ...far.moved,
            'main',
            id,
            far.data,
          ],
          { home },
        );
        await expectRestored(far);
      }
      await runWell(['restore', ...places.moved, 'main', id, places.data], { home });
      const twice = (await entriesIn(places.data)).filter(({ name }) => /^PG_18_/.test(name));
      expect(twice).toHaveLength(method === 'postgres' ? 1 : 0); // pg_basebackup copies a tablespace in the data folder itself twice
      await expectRestored(places);
    });
  });

  test('are told of once, by name, and a setuid program comes without its bit', async () => {
    await configureRsync(stage);
    const { home } = stage;
    await rm(join(home.path, 'main', '.pgcellar', 'told.json'));
    const { stderr } = await runPgcellar(['backup', '--wait', 'main'], { home });
    expect((await runPgcellar(['backup', '--wait', 'main'], { home })).stderr).toBe('');
    const told = stderr.split('\n').filter((line) => line.includes('dangling'));
    expect(told).toHaveLength(1);
    expect(told[0]).toContain('a pipe (a named pipe)');
    expect(told[0]).toContain('fol (a link to a folder that it lies in)');
    expect(told[0]).toContain('to its parent (a link to a folder that it lies in)');
    expect(told[0]).toContain('round (a link to itself)');
    const [newest] =
      (await runWell(['-f', 'json', 'list-files', 'main', 'latest'], { home })).match(/"[^"]*\/data\/program"/) ?? [];
    expect((await lstat(JSON.parse(newest ?? '') as string)).mode & 0o7777).toBe(0o755);
  });

  test('survive a delta restore, also with 64 file descriptors', async () => {
    const { home } = stage;
    await configureRsync(stage);
    await using folder = await createTemporaryFolder('ot', { owner: 'server' });
    const places = placesOf(stage, folder.path);
    await runWell(['restore', ...places.moved, 'main', 'latest', places.data], { home });
    await writeFile(onDisk(join(places.data, 'caf\udce9.txt')), 'changed');
    await rm(onDisk(join(places.data, oddFolder)), { recursive: true });
    await writeFile(onDisk(join(places.data, 'extra\udce9')), 'goes');
    await runWell(['restore', '--delta-restore', '--jobs', '2', ...places.moved, 'main', 'latest', places.data], { home });
    await expectRestored(places);
    expect((await entriesIn(places.data)).map(({ name }) => name)).not.toContain('extra\udce9');
    for (const name of ['base', 'pg_xact']) await rm(join(places.data, name), { recursive: true });
    const restore = ['restore', '--delta-restore', '--jobs', '8', ...places.moved, 'main', 'latest', places.data];
    const command = [await programPath(home), '-c', home.configFile, ...restore];
    const limited = home.argv(['sh', '-c', 'ulimit -n 64; exec "$@"', 'sh', ...command]);
    const { exitCode, stderr } = await runProgram(limited, settingsOf({ home }));
    expect({ exitCode, stderr }).toEqual({
      exitCode: 0,
      stderr: expect.not.stringMatching(/EMFILE|ERROR|EXCEPTION/) as string,
    });
    await expectRestored(places);
  });

  test('are exported and imported', async () => {
    const { home } = stage;
    await configureRsync(stage);
    const before = await filesOf(stage, 'latest');
    await using folder = await createTemporaryFolder('ex', { owner: 'server' });
    await runWell(['export-backup', 'main', 'latest', folder.path], { home });
    const [file] = await entriesIn(folder.path);
    const { main } = JSON.parse(await runWell(['-f', 'json', 'list-backups', 'main'], { home })) as {
      main: readonly { backup_id: string }[];
    };
    await runWell(['delete', 'main', main[0]?.backup_id ?? ''], { home });
    await runWell(['import-backup', 'main', join(folder.path, file?.name ?? '')], { home });
    expect(await filesOf(stage, main[0]?.backup_id ?? '')).toEqual(before);
  });
});

async function filesOf({ home }: RsyncStage, id: string): Promise<string[]> {
  const text = await runWell(['-f', 'json', 'list-files', '--target', 'data', 'main', id], { home });
  return text.match(/\/data\/[^"]*"/g)?.toSorted() ?? [];
}

function placesOf(stage: RsyncStage, path: string) {
  const places = restorePlaces(stage, { path } as Parameters<typeof restorePlaces>[1]);
  const self = join(path, 'self');
  return { ...places, moved: [...places.moved, '--tablespace', `self:${self}`], tablespaces: [...places.tablespaces, self] };
}

async function expectRestored({ data, tablespaces }: ReturnType<typeof placesOf>): Promise<void> {
  const names = (await entriesIn(data)).map(({ name }) => name);
  for (const name of oddNames) {
    expect(names).toContain(name);
    expect(await readFile(onDisk(join(data, oddFolder, name)), 'utf8')).toBe(Buffer.from(name).toString());
    expect(await readFile(onDisk(join(data, name)), 'utf8')).toBe(Buffer.from(`content of ${name}`).toString());
  }
  await using restored = await startRestored({ dataDir: data, tablespaces, major, wait: 'promoted' });
  expect(await restored.value('SELECT count(*) FROM inside')).toBe('1000');
  expect(await restored.value('SELECT count(*) FROM own')).toBe('2000');
  await restored.stop();
}
