import { describe, expect, test } from 'vitest';
import { judgeHostKey, knownHostLine, knownHostName, knownKeyTypes } from '../../../../src/transport/ssh/known-hosts.ts';

test('a port other than 22 is part of the name', () => {
  expect([knownHostName('DB1.example', 22), knownHostName('db1', 2222)]).toEqual(['db1.example', '[db1]:2222']);
});

describe('a host key', () => {
  test.each([
    { title: 'is known by name', text: 'db1 ssh-ed25519 AAAA', verdict: 'known' },
    { title: 'is known by one of several names', text: 'x,db1 ssh-ed25519 AAAA comment', verdict: 'known' },
    { title: 'is known by a pattern', text: 'db? ssh-ed25519 AAAA', verdict: 'known' },
    { title: 'is not known by a pattern that leaves the host out', text: 'db*,!db1 ssh-ed25519 AAAA', verdict: 'unknown' },
    {
      title: 'is unknown when nothing names the host',
      text: '# db1 ssh-ed25519 AAAA\ndb2 ssh-ed25519 AAAA',
      verdict: 'unknown',
    },
    { title: 'has changed when the host has another', text: 'db1 ssh-ed25519 BBBB', verdict: 'changed' },
    { title: 'is known when one of several is the same', text: 'db1 ssh-rsa BBBB\ndb1 ssh-ed25519 AAAA', verdict: 'known' },
    {
      title: 'is revoked even when it is known',
      text: 'db1 ssh-ed25519 AAAA\n@revoked * ssh-ed25519 AAAA',
      verdict: 'revoked',
    },
    { title: 'of a certified host is for the program', text: '@cert-authority *  ssh-rsa CCCC', verdict: 'needs-program' },
  ])('$title', ({ text, verdict }) => {
    expect(judgeHostKey(text, 'db1', 'AAAA')).toBe(verdict);
  });
});

test('the types that are known for a host', () => {
  expect(knownKeyTypes('db1 ssh-rsa AA\ndb1 ssh-ed25519 BB\ndb2 ecdsa CC\ndb1 ssh-rsa DD', 'db1')).toEqual([
    'ssh-rsa',
    'ssh-ed25519',
  ]);
});

test('a line that was noted is found again, hashed or not', () => {
  const key = Buffer.concat([Buffer.from([0, 0, 0, 11]), Buffer.from('ssh-ed25519'), Buffer.from('key')]);
  for (const isHashed of [true, false]) {
    const line = knownHostLine('[db1]:2222', key, { isHashed });
    expect(judgeHostKey(line, '[db1]:2222', key.toString('base64'))).toBe('known');
    expect(judgeHostKey(line, 'db1', key.toString('base64'))).toBe('unknown');
  }
});
