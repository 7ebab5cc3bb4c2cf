// Where systemd runs, receivers are units of it. What says that it runs is put into a mount namespace of the test, and `systemctl` is a
// stand-in that notes what it is asked for.
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { programPath, settingsOf } from '../helpers/run-pgcellar.ts';
import { type ProgramResult, runProgram } from '../helpers/run-program.ts';
import { canMount } from '../helpers/small-file-system.ts';
import { createTestHome, type IniSection, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';

const booted = 'mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && exec "$@"';
const streaming = { conninfo: 'host=127.0.0.1 port=1', backup_method: 'postgres', streaming_archiver: true, slot_name: 'x' };
const unit = 'pgcellar-receive-wal@main.service';

interface Host extends AsyncDisposable {
  readonly home: TestHome;
  run(words: readonly string[], options?: { readonly as?: 'pgcellar' | 'barman' }): Promise<ProgramResult>;
  /** What systemctl was asked for. */
  asked(): Promise<string>;
}

/** A host where systemd runs and `systemctl` ends with that code, with a configuration that is found by itself. */
async function aHost(exitCode: number, servers: Record<string, IniSection> = { main: streaming }): Promise<Host> {
  const home = await createTestHome({ servers });
  await copyFile(home.configFile, join(home.userHome, '.pgcellar.conf'));
  const bin = await home.makeFolder('systemd');
  const log = join(home.folder, 'asked');
  await writeFile(log, '');
  await writeFile(join(bin, 'systemctl'), `#!/bin/sh\necho "$*" >> '${log}'\nexit ${String(exitCode)}\n`, { mode: 0o755 });
  return {
    home,
    run: async (words, { as = 'pgcellar' } = {}) => {
      const argv = ['unshare', '--mount', 'sh', '-c', booted, 'sh', await programPath(home, as), ...words];
      return await runProgram(argv, settingsOf({ home, path: [bin] }));
    },
    asked: async () => await readFile(log, 'utf8'),
    [Symbol.asyncDispose]: async () => await home[Symbol.asyncDispose](),
  };
}

describe.skipIf(!(await canMount()))('where systemd runs', () => {
  test.each([
    { as: 'pgcellar', name: unit },
    { as: 'barman', name: 'barman-receive-wal@main.service' },
  ] as const)('cron of $as starts $name, and no process of its own', async ({ as, name }) => {
    await using host = await aHost(0);
    const { home } = host;
    const { exitCode, stdout } = await host.run(['cron'], { as });
    expect(exitCode).toBe(0);
    expect(stdout).toContain('Starting streaming archiver for server main\n');
    expect(await host.asked()).toBe(`--no-ask-password start ${name}\n`);
    expect((await home.processes()).filter(({ command }) => command.includes('receive-wal'))).toEqual([]);
    expect(await home.log()).not.toContain('replication');
  });

  test('a unit that cannot be started is a process as elsewhere', async () => {
    await using host = await aHost(5);
    const { home } = host;
    expect(await host.run(['cron'])).toMatchObject({ exitCode: 0 });
    expect(await host.asked()).toBe(`--no-ask-password start ${unit}\n`);
    await waitFor('the process has failed for lack of a server', async () => (await home.log()).includes('ECONNREFUSED'), {
      explain: async () => await home.log(),
    });
  });

  test.each([
    { title: 'a configuration that is named', servers: { main: streaming }, config: true },
    { title: 'a server whose name is another one in a unit', servers: { 'main+1': streaming }, config: false },
  ])('$title has no unit', async ({ servers, config }) => {
    await using host = await aHost(0, servers);
    const { home } = host;
    expect(await host.run([...(config ? ['-c', home.configFile] : []), 'cron'])).toMatchObject({ exitCode: 0 });
    expect(await host.asked()).toBe('');
  });

  test.each([[['terminate-process', 'main', 'receive-wal']], [['receive-wal', '--stop', 'main']]])(
    '%s stops the unit where no receiver runs, because it may be about to start one',
    async (words) => {
      await using host = await aHost(0);
      expect(await host.run(words)).toMatchObject({ exitCode: 0, stdout: '', stderr: '' });
      expect(await host.asked()).toBe(`--no-ask-password stop ${unit}\n`);
    },
  );

  test('stopping fails as elsewhere when there is neither a receiver nor a unit', async () => {
    await using host = await aHost(5);
    const { exitCode, stderr } = await host.run(['terminate-process', 'main', 'receive-wal']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('no such process');
  });
});
