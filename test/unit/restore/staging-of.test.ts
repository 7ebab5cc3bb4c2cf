import { expect, test } from 'vitest';
import { stagingOf } from '../../../src/restore/plan/restore-options.ts';

const nothing = { path: undefined, recoveryPath: undefined, localPath: undefined };

test.each([
  { fact: 'without a name it is /tmp of this host', named: {}, remote: true, at: 'local /tmp' },
  { fact: 'a folder is on this host', named: { path: '/s' }, remote: true, at: 'local /s' },
  { fact: 'unless the other one is asked for', named: { path: '/s' }, location: 'remote', remote: true, at: 'remote /s' },
  { fact: 'the older name for the other host means it', named: { recoveryPath: '/r' }, remote: true, at: 'remote /r' },
  { fact: 'unless this one is asked for', named: { recoveryPath: '/r' }, location: 'local', remote: true, at: 'local /r' },
  { fact: 'without another host it is on this one', named: { recoveryPath: '/r' }, remote: false, at: 'local /r' },
  {
    fact: 'with both older names it is on this host',
    named: { recoveryPath: '/r', localPath: '/l' },
    remote: true,
    at: 'local /l',
  },
  {
    fact: 'unless the other is asked for',
    named: { recoveryPath: '/r', localPath: '/l' },
    location: 'remote',
    remote: true,
    at: 'remote /r',
  },
  { fact: 'the newer name counts', named: { path: '/s', recoveryPath: '/r' }, remote: true, at: 'local /s' },
] as const)('$fact', ({ named, remote, at, ...rest }) => {
  const location = 'location' in rest ? rest.location : undefined;
  const { stagingPath, stagingLocation } = stagingOf({ ...nothing, ...named }, { location, isRemote: remote });
  expect(`${stagingLocation} ${stagingPath}`).toBe(at);
});
