// A program that a restore needs and that a host does not have: said before anything is written, by a dry run and by a run in the same words.
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createGpgHome } from '../helpers/gpg-home.ts';
import { Opened } from '../helpers/opened.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { startSshd } from '../helpers/start-sshd.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { linkProgramsWithout } from '../helpers/without-programs.ts';
import { recordPath, writeCatalog, writeManifest, writtenBackups } from '../helpers/write-catalog.ts';

const { firstTwin, secondTwin } = writtenBackups;
const server = { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' };
/** How each compression is written, and its suffix. */
const packers = {
  zstd: { argv: ['zstd', '-q', '--rm'], suffix: '.zst' },
  lz4: { argv: ['lz4', '-q', '--rm', '-m'], suffix: '.lz4' },
  xz: { argv: ['xz'], suffix: '.xz' },
  bzip2: { argv: ['bzip2'], suffix: '.bz2' },
  gzip: { argv: ['gzip'], suffix: '.gz' },
} as const;
type Packing = keyof typeof packers;

let opened: Opened;
let home: TestHome;
let place: string;

beforeEach(async () => {
  opened = new Opened();
  home = await opened.add(createTestHome({ servers: { main: server } }));
  await writeCatalog(home, 'main');
  for (const id of [firstTwin, secondTwin]) await writeManifest(home, 'main', id);
  place = (await opened.add(createTemporaryFolder('pm'))).path;
});
afterEach(async () => {
  await opened.close();
});

async function hostWithout(...names: readonly string[]): Promise<{ readonly PATH: string }> {
  return { PATH: await linkProgramsWithout((await opened.add(createTemporaryFolder('pp'))).path, names) };
}

/** A dry run and a run end with 1 and the same words, and nothing is written. */
async function expectRefused(words: readonly string[], says: string, more: NodeJS.ProcessEnv = {}): Promise<void> {
  const destination = join(place, 'data');
  const run = async (...dryRun: readonly string[]) => {
    const all = ['restore', ...dryRun, ...words, '--staging-path', place, 'main', secondTwin, destination];
    const { exitCode, stderr } = await runPgcellar(all, { home, env: more });
    return { exitCode, stderr };
  };
  const dry = await run('--dry-run');
  expect(dry).toEqual({ exitCode: 1, stderr: expect.stringContaining(says) as string });
  expect(await run()).toEqual(dry);
  expect(existsSync(destination)).toBe(false);
  expect(await readdir(place)).toEqual([]);
}

async function expectRestored(words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<void> {
  const all = ['restore', ...words, '--staging-path', place, 'main', secondTwin, join(place, 'data')];
  const result = await runPgcellar(all, { home, env });
  expect(result, result.stderr).toMatchObject({ exitCode: 0 });
  expect(existsSync(join(place, 'data/global/pg_control'))).toBe(true);
}

async function setRecord(id: string, keys: Readonly<Record<string, string>>): Promise<void> {
  const path = recordPath(home, 'main', id);
  let text = await readFile(path, 'utf8');
  for (const [key, value] of Object.entries(keys)) text = text.replace(new RegExp(`^${key}=.*$`, 'm'), `${key}=${value}`);
  await writeFile(path, text);
}

async function must(argv: readonly string[]): Promise<void> {
  expect(await runProgram(argv)).toMatchObject({ exitCode: 0 });
}

/** Packs a backup as pg_basebackup would. */
async function pack(id: string, compression: Packing): Promise<string> {
  const { argv, suffix } = packers[compression];
  const data = home.server('main', 'base', id, 'data');
  const tar = join(home.folder, 'base.tar');
  await must(['tar', '-C', data, '-cf', tar, '.']);
  await rm(data, { recursive: true });
  await mkdir(data);
  await writeManifest(home, 'main', id);
  await must([...argv, tar]);
  await must(['mv', `${tar}${suffix}`, data]);
  await setRecord(id, { compression });
  return join(data, `base.tar${suffix}`);
}

/** Stores a segment as the archiver would with that compression. */
async function packWal(number: number, compression: Packing): Promise<void> {
  const { argv, suffix } = packers[compression];
  const name = `00000001000000000000000${String(number)}`;
  const path = home.server('main', 'wals', '0000000100000000', name);
  await must([...argv, path]);
  await must(['mv', `${path}${suffix}`, path]);
  const index = home.server('main', 'wals', 'main-xlog.db');
  const text = await readFile(index, 'utf8');
  await writeFile(index, text.replace(new RegExp(`^(${name}\t.*\t)None$`, 'm'), `$1${compression}`));
}

describe('on this host', () => {
  test.each(['zstd', 'lz4', 'xz', 'bzip2'] as const)('%s, which a packed backup wants', async (compression) => {
    await pack(secondTwin, compression);
    const says = `the program ${compression} was not found; it is needed for what is compressed with ${compression}`;
    await expectRefused([], says, await hostWithout(compression));
    await expectRestored([], await hostWithout());
  });

  test.each(['zstd', 'lz4'] as const)('%s, which only WAL wants, and one segment of many', async (compression) => {
    await packWal(8, compression);
    const says = `the program ${compression} was not found; it is needed for what is compressed with ${compression}`;
    const without = await hostWithout(compression);
    await expectRefused([], says, without);
    await expectRefused(['--target-xid', '7'], says, without);
    await expectRestored(['--get-wal'], without); // the restored server asks for it
  });

  test('lz4, which only the full backup of a chain wants', async () => {
    await pack(firstTwin, 'lz4');
    await setRecord(secondTwin, { parent_backup_id: firstTwin });
    await setRecord(firstTwin, { children_backup_ids: secondTwin });
    const says = 'the program lz4 was not found; it is needed for what is compressed with lz4';
    await expectRefused([], says, await hostWithout('lz4'));
  });

  test('gpg, and the key that opens the backup', async () => {
    const gpg = await opened.add(createGpgHome());
    const path = await pack(secondTwin, 'gzip');
    await gpg.gpg(['--recipient', gpg.keyId, '--trust-model', 'always', '--output', `${path}.gpg`, '--encrypt', path]);
    await rm(path);
    await setRecord(secondTwin, { encryption: 'gpg' });
    const record = recordPath(home, 'main', secondTwin);
    const text = await readFile(record, 'utf8');
    if (!/^encryption=gpg$/m.test(text)) await writeFile(record, text.replace(/^end_offset/m, 'encryption=gpg\nend_offset'));
    await home.writeServer('main', { ...server, encryption_passphrase_command: `cat ${gpg.passphraseFile}` });
    const says = 'the program gpg was not found; it is needed for reading what was encrypted with gpg';
    await expectRefused([], says, await hostWithout('gpg'));
    const other = await opened.add(createGpgHome());
    await expectRefused([], 'gpg cannot decrypt', { GNUPGHOME: other.path });
  });

  test.each(['sync', 'rsync'])('%s', async (name) => {
    const sshd = await opened.add(startSshd());
    const words = name === 'sync' ? [] : ['--remote-ssh-command', sshd.sshCommand];
    await expectRefused(words, `the program ${name} was not found; it is needed for`, await hostWithout(name));
  });

  test('a file of the archive that only the index knows is told beforehand, too', async () => {
    const gone = home.server('main', 'wals', '0000000100000000', '000000010000000000000008');
    await rm(gone);
    await expectRefused([], `the index of server 'main' names a WAL file that is not there: ${gone}`);
  });
});

describe('on the host that is restored to', () => {
  const staged = ['--staging-location', 'remote'];

  async function hostOverSsh(...missing: readonly string[]): Promise<string[]> {
    const sshd = await opened.add(startSshd({ env: await hostWithout(...missing) }));
    return ['--remote-ssh-command', sshd.sshCommand];
  }

  test.each([
    { missing: 'zstd', compression: 'zstd' },
    { missing: 'gzip', compression: 'gzip' },
    { missing: 'tar', compression: 'gzip' },
  ] as const)('$missing, which unpacks a $compression backup there', async ({ missing, compression }) => {
    await pack(secondTwin, compression);
    const reach = await hostOverSsh(missing);
    await expectRefused([...reach, ...staged], `the program ${missing} was not found on`);
    // here it is unpacked by what is here
    await expectRestored(reach);
  });

  test('rsync', async () => {
    await expectRefused(await hostOverSsh('rsync'), 'the program rsync was not found on');
  });
});
