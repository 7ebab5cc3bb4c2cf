import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfiguration, loadMainConfiguration } from '../../../../src/config/load-configuration.ts';
import {
  type AdoptionFacts,
  applyAdoption,
  planAdoption,
  readAdoptionFacts,
} from '../../../../src/operations/server/adopt-barman.ts';
import { createTemporaryFolder } from '../../../helpers/temporary-folder.ts';

const server = (wal: readonly string[]) => ({
  name: 'main',
  method: 'postgres',
  wal,
  backups: 3,
  receiverPid: undefined,
  differences: [],
});
const facts: AdoptionFacts = {
  configurationPath: '/etc/barman.conf',
  owner: 'barman',
  home: '/var/lib/barman',
  servers: [server(['streaming'])],
  cronLines: [{ path: '/etc/cron.d/barman', text: '* * * * * barman barman -q cron' }],
  differences: [],
  missing: [],
  hasUnits: false,
  program: '/usr/bin/pgcellar',
};

test('three commands switch and two go back, where Barman runs from cron.d and a receiver streams', () => {
  const { toSwitch, toGoBack, files } = planAdoption(facts);
  expect(toSwitch).toEqual([
    'pgcellar adopt-barman --apply',
    'mv /etc/cron.d/barman /etc/cron.d/barman.off',
    'for s in main; do pgcellar terminate-process $s receive-wal; done; pgcellar cron',
  ]);
  expect(toGoBack).toEqual([
    'rm /etc/cron.d/pgcellar-barman && mv /etc/cron.d/barman.off /etc/cron.d/barman',
    'for s in main; do pgcellar terminate-process $s receive-wal; done; barman cron',
  ]);
  expect(files.map(({ text }) => text.split('\n')[1])).toEqual(['* * * * * barman /usr/bin/pgcellar -q cron']);
});

test('where systemd has the units, the timer runs as the owner of the home, and goes back off', () => {
  const { files, commands, toGoBack } = planAdoption({ ...facts, hasUnits: true });
  expect(files).toEqual([
    { path: '/etc/systemd/system/pgcellar-cron.service.d/adopt-barman.conf', text: '[Service]\nUser=barman\n' },
  ]);
  expect(commands.at(-1)).toEqual(['systemctl', 'enable', '--now', 'pgcellar-cron.timer']);
  expect(toGoBack[0]).toContain('systemctl disable --now pgcellar-cron.timer');
});

test('WAL by archive_command needs no receiver to be handed over', () => {
  const plan = planAdoption({ ...facts, servers: [server(['archive_command'])] });
  expect([plan.toSwitch.length, plan.toGoBack.length]).toEqual([2, 1]);
});

test('crontabs, a missing user and a home are read from the system, and applying writes one file', async () => {
  await using folder = await createTemporaryFolder('adopt');
  const root = folder.path;
  for (const name of ['etc/cron.d', 'var/spool/cron/crontabs', 'home']) await mkdir(join(root, name), { recursive: true });
  await writeFile(
    join(root, 'etc/cron.d/barman'),
    '# barman cron\n* * * * * barman [ -x /usr/bin/barman ] && /usr/bin/barman -q cron\n',
  );
  await writeFile(join(root, 'etc/cron.d/barman.off'), '* * * * * barman barman cron\n');
  await writeFile(join(root, 'var/spool/cron/crontabs/barman'), '30 1 * * * barman backup all\n');
  await writeFile(join(root, 'barman.conf'), `[barman]\nbarman_user = barman\nbarman_home = ${join(root, 'home')}\n`);
  const configuration = loadConfiguration(
    loadMainConfiguration({ explicitPath: join(root, 'barman.conf'), environment: {}, homeFolder: root }),
    root,
  );
  const found = await readAdoptionFacts({
    configuration,
    servers: [],
    shadowedBy: undefined,
    program: '/usr/bin/pgcellar',
    root,
  });
  expect(found.cronLines.map(({ path }) => path.slice(root.length))).toEqual([
    '/etc/cron.d/barman',
    '/var/spool/cron/crontabs/barman',
  ]);
  expect(found.missing).toEqual(['the user barman of barman_user does not exist']);
  const before = await readdir(root, { recursive: true });
  expect(await applyAdoption(planAdoption(found), root)).toEqual(['/etc/cron.d/pgcellar-barman']);
  const added = (await readdir(root, { recursive: true })).filter((path) => !before.includes(path));
  expect(added).toEqual(['etc/cron.d/pgcellar-barman']);
  expect(await readFile(join(root, 'etc/cron.d/pgcellar-barman'), 'utf8')).toContain(
    '* * * * * barman /usr/bin/pgcellar -q cron\n',
  );
});

const cronD = '/etc/cron.d/barman';
const own = '/var/spool/cron/crontabs/barman';

test.each([
  [cronD, '30 1 * * * barman barman -q backup all', '30 1 * * * barman /usr/bin/pgcellar -q backup all'],
  [
    cronD,
    '@daily barman [ -x /usr/bin/barman ] && /usr/bin/barman -c /etc/barman.conf backup --wait main',
    '@daily barman [ -x /usr/bin/barman ] && /usr/bin/pgcellar -c /etc/barman.conf backup --wait main',
  ],
  [own, '30 1 * * 0 /usr/bin/barman backup main', '30 1 * * 0 barman /usr/bin/pgcellar backup main'],
  [own, '@weekly barman backup main >/dev/null', '@weekly barman /usr/bin/pgcellar backup main >/dev/null'],
])('a backup that %s takes with %j stays scheduled', (path, text, taken) => {
  const cronLines = [
    { path, text },
    { path: cronD, text: '* * * * * barman [ -x /usr/bin/barman ] && /usr/bin/barman -q cron' },
  ];
  const maintenance = '* * * * * barman /usr/bin/pgcellar -q cron';
  const linesOf = (plan: ReturnType<typeof planAdoption>) =>
    plan.files.flatMap(({ text: written }) => written.split('\n')).filter((line) => line !== '' && !line.startsWith('#'));
  expect(linesOf(planAdoption({ ...facts, servers: [], cronLines }))).toEqual([maintenance, taken]);
  const byUnits = planAdoption({ ...facts, cronLines, hasUnits: true });
  expect(linesOf(byUnits)).toEqual(['[Service]', 'User=barman', taken]);
  expect(byUnits.toGoBack[0]).toContain('rm /etc/cron.d/pgcellar-barman && ');
});

test('where units run the maintenance and no crontab takes a backup, nothing is written to cron', () => {
  const plan = planAdoption({ ...facts, cronLines: [], hasUnits: true });
  expect(plan.files.map(({ path }) => path)).toEqual(['/etc/systemd/system/pgcellar-cron.service.d/adopt-barman.conf']);
  expect(plan.toGoBack.join('\n')).not.toContain('/etc/cron.d/pgcellar-barman');
});
