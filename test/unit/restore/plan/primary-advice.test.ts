import { expect, test } from 'vitest';
import { primaryAdvice } from '../../../../src/restore/plan/primary-advice.ts';

const missing = expect.stringContaining('has no primary_conninfo: set it before you start the standby') as string;
const review = expect.stringContaining('primary_conninfo of the backup names: review it') as string;

test.each([
  { fact: 'a primary that no file names has to be set', conf: '# nothing\n', auto: '', says: missing },
  { fact: 'so has one that is empty', conf: '', auto: "primary_conninfo = ''  # none\n", says: missing },
  {
    fact: 'and one that is taken back by the later file',
    conf: "primary_conninfo = 'host=a'\n",
    auto: "primary_conninfo = ''\n",
    says: missing,
  },
  {
    fact: 'one that comes with the backup has to be reviewed',
    conf: '',
    auto: "Primary_Conninfo = 'host=a password=secret'\n",
    says: review,
  },
])('$fact', ({ conf, auto, says }) => {
  const file = (text: string) => ({ kind: 'file' as const, text, mode: 0o600 });
  const configuration = new Map([
    ['postgresql.conf', file(conf)],
    ['postgresql.auto.conf', file(auto)],
  ]);
  const advice = primaryAdvice({ configuration, included: [] }, 170_000);
  expect(advice).toEqual(says);
  expect(advice).not.toContain('secret');
});

test('before PostgreSQL 12 it stood in a file that a restore writes anew', () => {
  const configuration = new Map([
    ['postgresql.conf', { kind: 'file' as const, text: "primary_conninfo = 'host=a'\n", mode: 0o600 }],
  ]);
  expect(primaryAdvice({ configuration, included: [] }, 110_000)).toContain('recovery.conf has no primary_conninfo');
});
