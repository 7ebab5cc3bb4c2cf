import { expect, test } from 'vitest';
import { parseSshCommand, rsyncShell, sshArgv } from '../../../../src/transport/ssh/ssh-command.ts';
import { hostKeyPolicy, parseSshSettings, reasonForProgram } from '../../../../src/transport/ssh/ssh-settings.ts';

test.each([
  { text: 'ssh postgres@db1', isPlain: true, label: 'postgres@db1' },
  { text: '/usr/bin/ssh -q -p 22 -vi key -oPort=1 db1', isPlain: true, label: 'db1' },
  { text: 'ssh db1 -p 22', isPlain: true, label: 'db1' },
  { text: 'ssh -p22 db1 sudo', isPlain: false, label: 'ssh -p22 db1 sudo' },
  { text: 'docker exec -i db1', isPlain: false, label: 'docker exec -i db1' },
  { text: 'ssh -p 22', isPlain: false, label: 'ssh -p 22' },
])('$text: plain is $isPlain', ({ text, isPlain, label }) => {
  expect(parseSshCommand(text)).toMatchObject({ isPlain, label });
});

test('a plain command never asks; another one is left as it is', () => {
  expect(sshArgv(parseSshCommand('ssh db1'))).toEqual(['ssh', 'db1', '-o', 'BatchMode=yes']);
  expect(rsyncShell("ssh -i 'a b' db1")).toBe("ssh -i 'a b' db1 -o BatchMode=yes");
  expect(rsyncShell('docker exec -i db1')).toBe('docker exec -i db1');
});

test.each([
  { lines: 'proxycommand nc %h %p', reason: 'proxycommand' },
  { lines: 'proxycommand none\nproxyjump bastion', reason: 'proxyjump' },
  { lines: 'certificatefile ~/.ssh/x-cert.pub', reason: 'certificatefile' },
  { lines: 'controlpath ~/.ssh/c', reason: 'controlpath' },
  { lines: 'gssapiauthentication yes', reason: undefined }, // keys are tried first; the program is asked when they are refused
])('$lines: $reason', ({ lines, reason }) => {
  expect(reasonForProgram(parseSshSettings(`pubkeyauthentication true\n${lines}\n`))).toBe(reason);
});

test.each([
  ['yes', 'refuse-unknown'],
  ['ask', 'refuse-unknown'],
  ['accept-new', 'accept-new'],
  ['false', 'accept-all'],
  ['off', 'accept-all'],
])('StrictHostKeyChecking %s: %s', (value, policy) => {
  expect(hostKeyPolicy(parseSshSettings(`stricthostkeychecking ${value}`))).toBe(policy);
});
