import { expect, test } from 'vitest';
import { formatRetentionPolicy, parseRetentionPolicy } from '../../../src/retention/retention-policy.ts';

test.each([
  { text: 'REDUNDANCY 3', canonical: 'REDUNDANCY 3' },
  { text: '  redundancy   0 ', canonical: 'REDUNDANCY 0' },
  { text: 'RECOVERY WINDOW OF 1 day', canonical: 'RECOVERY WINDOW OF 1 DAYS' },
  { text: 'recovery  window of 2 Weeks', canonical: 'RECOVERY WINDOW OF 2 WEEKS' },
  { text: 'RECOVERY WINDOW OF 3 MONTHS', canonical: 'RECOVERY WINDOW OF 3 MONTHS' },
])('"$text" is $canonical', ({ text, canonical }) => {
  const policy = parseRetentionPolicy(text);
  expect(policy && formatRetentionPolicy(policy)).toBe(canonical);
});

test.each([
  '',
  'REDUNDANCY',
  'REDUNDANCY -1',
  'RECOVERY WINDOW OF 2 HOURS',
  'REDUNDANCY 2 DAYS',
  `REDUNDANCY ${'9'.repeat(400)}`,
])('"%s" is no policy', (text) => {
  expect(parseRetentionPolicy(text)).toBeUndefined();
});
