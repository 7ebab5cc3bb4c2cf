import { expect, test } from 'vitest';
import { isInUnit } from '../../../../src/operations/wal/receiver-unit.ts';

const unit = 'pgcellar-receive-wal@main.service';

test.each([
  { title: 'of its own control group', groups: `0::/system.slice/system-pgcellar.slice/${unit}\n`, isIn: true },
  { title: 'of a group below it', groups: `0::/system.slice/${unit}/inner\n`, isIn: true },
  { title: 'of version 1 of control groups', groups: `12:pids:/system.slice/${unit}\n0::/\n`, isIn: true },
  { title: 'of another server', groups: '0::/system.slice/pgcellar-receive-wal@main-two.service\n', isIn: false },
  { title: 'that cron started', groups: '0::/system.slice/pgcellar-cron.service\n', isIn: false },
])('a process $title belongs to the unit: $isIn', ({ groups, isIn }) => {
  expect(isInUnit(groups, unit)).toBe(isIn);
});
