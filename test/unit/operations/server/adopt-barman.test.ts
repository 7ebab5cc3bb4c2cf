import { expect, test } from 'vitest';
import { type AdoptionFacts, planAdoption } from '../../../../src/operations/server/adopt-barman.ts';

const facts: AdoptionFacts = {
  configurationPath: '/etc/barman.conf',
  owner: 'barman',
  home: '/var/lib/barman',
  servers: [],
  cronLines: [],
  differences: [],
  missing: [],
  hasUnits: false,
  program: '/usr/bin/pgcellar',
};
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
  expect(linesOf(planAdoption({ ...facts, cronLines }))).toEqual([maintenance, taken]);
  const byUnits = planAdoption({ ...facts, cronLines, hasUnits: true });
  expect(linesOf(byUnits)).toEqual(['[Service]', 'User=barman', taken]);
  expect(byUnits.toGoBack[0]).toContain('rm /etc/cron.d/pgcellar-barman && ');
});

test('where units run the maintenance and no crontab takes a backup, nothing is written to cron', () => {
  const plan = planAdoption({ ...facts, hasUnits: true });
  expect(plan.files.map(({ path }) => path)).toEqual(['/etc/systemd/system/pgcellar-cron.service.d/adopt-barman.conf']);
  expect(plan.toGoBack.join('\n')).not.toContain('/etc/cron.d/pgcellar-barman');
});
