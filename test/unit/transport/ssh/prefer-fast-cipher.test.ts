import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { preferFastCipher } from '../../../../src/transport/ssh/prefer-fast-cipher.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../../../helpers/temporary-folder.ts';
import { environment, writeScript } from '../scripts.ts';

const usual = 'chacha20-poly1305@openssh.com,aes128-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com';
const reordered = 'aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr';

let folder: TemporaryFolder;
let ssh: string;
let withAes: string;
beforeAll(async () => {
  folder = await createTemporaryFolder('fc');
  // as ssh -G: the host tells which configuration applies
  const answer = `case "$*" in *chosen*) echo 'ciphers aes256-ctr,chacha20-poly1305@openssh.com,aes128-gcm@openssh.com';; *broken*) exit 255;;
*alone*) echo 'port 22';; *) echo 'ciphers ${usual}';; esac`;
  await writeScript(folder.path, 'ssh', answer);
  ssh = join(folder.path, 'ssh');
  withAes = join(folder.path, 'cpuinfo');
  await writeFile(withAes, 'processor\t: 0\nflags\t\t: fpu aes avx\n');
});
afterAll(async () => {
  await folder[Symbol.asyncDispose]();
});

test('AES-GCM is offered first, all others stay on offer behind it', async () => {
  expect(await preferFastCipher(`${ssh} -p 22 db1`, environment, withAes)).toBe(`${ssh} -p 22 db1 -o Ciphers=${reordered}`);
});

test.each([
  { title: 'whose ciphers the operator chose', words: 'chosen' },
  { title: 'that ssh cannot explain', words: 'broken' },
  { title: 'whose ssh does not tell its ciphers', words: 'alone' },
  { title: 'that is more than ssh and a host', words: 'db1 sudo' },
])('a command $title is left alone', async ({ words }) => {
  expect(await preferFastCipher(`${ssh} ${words}`, environment, withAes)).toBe(`${ssh} ${words}`);
});

test('a processor without instructions for AES is faster with what OpenSSH prefers', async () => {
  const without = join(folder.path, 'plain');
  await writeFile(without, 'flags\t\t: fpu avx vaes\n');
  expect(await preferFastCipher(`${ssh} db1`, environment, without)).toBe(`${ssh} db1`);
});
