import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, test as anyTest, beforeAll, describe, expect } from 'vitest';
import { archiveArrivals } from '../../../src/archive/archive-arrivals.ts';
import { serveWal, type WalForm } from '../../../src/archive/serve-wal.ts';
import type { ArrivalOutcome } from '../../../src/archive/take-arrival.ts';
import { WalIndex } from '../../../src/catalog/index/wal-index.ts';
import type { CheckFacts } from '../../../src/check/check.ts';
import { encryption as encryptionCheck } from '../../../src/check/checks/encryption.ts';
import { askPassphrase, encryptFile } from '../../../src/encryption/gpg.ts';
import { writePlainWal } from '../../../src/encryption/stored-wal.ts';
import { requireReadableWals } from '../../../src/restore/guards/require-readable-wals.ts';
import { copyWals } from '../../../src/restore/wal/copy-wals.ts';
import { systemClock } from '../../../src/shared/clock.ts';
import type { Log } from '../../../src/shared/log.ts';
import { silentLog } from '../../../src/shared/log.ts';
import { createGpgHome, type GpgHome } from '../../helpers/gpg-home.ts';
import { lacksPrograms } from '../../helpers/installations.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../../helpers/temporary-folder.ts';
import { type ArchiveServer, anArchiveServer } from '../archive/an-archive.ts';
import { walOf } from '../catalog/a-backup.ts';
import { toolsWith } from '../check/check-setup.ts';
import { aContext } from '../restore/restore-context.ts';

const test = anyTest.skipIf(lacksPrograms('gpg'));
const two = walOf('1:2');
const three = walOf('1:3');
const folder = '0000000100000000';
const content = 'segment '.repeat(20_000);
let ring: GpgHome;

beforeAll(async () => {
  ring = await createGpgHome();
});
afterAll(async () => {
  await ring[Symbol.asyncDispose]();
});

/** A server that encrypts; its passphrase command is `passphrase`, none when that is empty. */
async function encrypting({
  passphrase = `cat ${ring.passphraseFile}`,
  more = '',
}: {
  passphrase?: string;
  more?: string;
} = {}): Promise<ArchiveServer> {
  const command = passphrase === '' ? '' : `encryption_passphrase_command = ${passphrase}`;
  const home = await anArchiveServer(`encryption = gpg\nencryption_key_id = ${ring.keyId}\n${command}\n${more}`);
  return { ...home, server: withRing(home), [Symbol.asyncDispose]: async () => await home[Symbol.asyncDispose]() };
}

function withRing({ server }: ArchiveServer): ArchiveServer['server'] {
  return { ...server, environment: { ...process.env, ...server.environment, GNUPGHOME: ring.path } };
}

async function archive(home: ArchiveServer, log: Log = silentLog): Promise<ArrivalOutcome[]> {
  const outcomes: ArrivalOutcome[] = [];
  await archiveArrivals(
    {
      server: home.server,
      channel: 'file',
      batchSize: 0,
      workers: 2,
      onOutcome: (outcome) => void outcomes.push(outcome),
    },
    aContext({ clock: systemClock, log }),
  );
  return outcomes;
}

async function serve(home: ArchiveServer, form: WalForm = 'plain'): Promise<Buffer> {
  const output = new PassThrough();
  const chunks = output.toArray();
  await serveWal(
    { server: home.server, name: two, allowsPartial: false, form, output: () => Promise.resolve(output) },
    silentLog,
  );
  output.end();
  return Buffer.concat((await chunks) as Buffer[]); // no encoding is set
}

test.each([
  { more: '', inside: null },
  { more: 'compression = gzip', inside: 'gzip' },
  { more: 'compression = snappy', inside: 'snappy' },
  { more: 'compression = zstd', inside: 'zstd' },
])('WAL is compressed ($inside), then encrypted, and goes out as it came', async ({ more, inside }) => {
  await using home = await encrypting({ more });
  await home.write({ [`incoming/${two}`]: content });
  await archive(home);
  expect(await home.archived()).toEqual([`${folder}/${two}`]);
  expect(await home.entries()).toMatchObject([{ name: two, compression: inside, encryption: 'gpg' }]);
  expect((await home.read(`wals/${folder}/${two}`)).includes('segment')).toBe(false);
  expect((await serve(home)).toString()).toBe(content);
  expect((await serve(home, 'stored')).subarray(0, 7).toString() === 'segment').toBe(inside === null);
  expect((await serve(home, 'gzip')).subarray(0, 3)).toEqual(Buffer.from('1f8b08', 'hex'));
});

test('gpg opens what was stored', async () => {
  await using home = await encrypting();
  await home.write({ [`incoming/${two}`]: content });
  await archive(home);
  expect(await ring.gpg(['--decrypt', join(home.layout.wals, folder, two)])).toBe(content);
});

test('an encrypted arrival is stored as it is', async () => {
  await using home = await encrypting({ more: 'compression = gzip' });
  await home.write({ clear: content });
  await ring.gpg([
    '--recipient',
    ring.keyId,
    '--output',
    join(home.layout.incoming, two),
    '--encrypt',
    join(home.layout.root, 'clear'),
  ]);
  const arrived = await home.read(`incoming/${two}`);
  await home.write({ [`incoming/${two}`]: arrived }); // some time ago
  await archive(home);
  expect(await home.read(`wals/${folder}/${two}`)).toEqual(arrived);
  expect(await home.entries()).toMatchObject([{ compression: null, encryption: 'gpg' }]);
});

test('the same WAL once more is dropped, other WAL is rejected', async () => {
  await using home = await encrypting({ more: 'compression = gzip' });
  await home.write({ [`incoming/${two}`]: content });
  await archive(home);
  for (const again of [content, gzipSync(content)]) {
    await home.write({ [`incoming/${two}`]: again });
    expect(await archive(home)).toEqual([{ kind: 'known-already', name: two }]);
  }
  await home.write({ [`incoming/${two}`]: 'other' });
  expect(await archive(home)).toMatchObject([{ kind: 'duplicate' }]);
  expect((await serve(home)).toString()).toBe(content);
});

test('without a passphrase the same name waits and the next one is archived; the same bytes are dropped', async () => {
  await using home = await encrypting({ passphrase: '' });
  await home.write({ [`incoming/${two}`]: content });
  await archive(home);
  await home.write({ [`incoming/${two}`]: content, [`incoming/${three}`]: content });
  await expect(archive(home)).rejects.toMatchObject({
    code: 'decryption-failed',
    message: expect.stringContaining('no encryption_passphrase_command') as string,
  });
  expect(await home.names('incoming')).toEqual([two]);
  expect((await home.entries()).map(({ name }) => name)).toEqual([two, three]);
  await home.write({ [`incoming/${two}`]: await home.read(`wals/${folder}/${two}`) });
  expect(await archive(home)).toEqual([{ kind: 'known-already', name: two }]);
});

test.each([
  { title: 'prints another passphrase', passphrase: 'echo hunter2', says: 'gpg cannot decrypt' },
  { title: 'prints nothing', passphrase: 'true', says: 'encryption_passphrase_command printed nothing' },
  { title: 'fails', passphrase: 'echo hunter2; echo hunter2 >&2; exit 7', says: 'encryption_passphrase_command ended with 7' },
])('a passphrase command that $title is an error without its words, and nothing goes out', async ({ passphrase, says }) => {
  await using home = await encrypting({ passphrase });
  await home.write({ [`incoming/${two}`]: content });
  await archive(home);
  const failure = await serve(home).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'decryption-failed', message: expect.stringContaining(says) as string });
  expect(`${String(failure)} ${JSON.stringify(failure)}`).not.toContain('hunter2');
});

test('a damaged encrypted file is refused', async () => {
  await using home = await encrypting();
  await home.write({ [`incoming/${two}`]: content });
  await archive(home);
  const stored = await home.read(`wals/${folder}/${two}`);
  await home.write({ [`wals/${folder}/${two}`]: stored.subarray(0, stored.length - 1000) });
  await expect(serve(home)).rejects.toMatchObject({ code: 'decryption-failed' });
});

test('a key that does not exist leaves WAL where it is, in clear nowhere', async () => {
  await using home = await encrypting();
  const { config } = home.server;
  const server = { ...home.server, config: { ...config, options: { ...config.options, encryption_key_id: 'nobody' } } };
  await home.write({ [`incoming/${two}`]: content });
  await expect(archive({ ...home, server })).rejects.toMatchObject({ code: 'command-failed' });
  expect(await home.archived()).toEqual([]);
  expect(await home.names('incoming')).toEqual([two]);
});

test('a rebuilt index knows what is encrypted', async () => {
  await using home = await encrypting({ more: 'compression = gzip' });
  await home.write({ [`incoming/${two}`]: content, [`wals/${folder}/${three}`]: 'plain' });
  await archive(home);
  {
    await using index = await WalIndex.open(home.layout);
    await index.rebuild();
  }
  expect(await home.entries()).toMatchObject([
    { name: two, compression: null, encryption: 'gpg' },
    { name: three, compression: null, encryption: null },
  ]);
});

test('a restore copies it in clear, and asks for the passphrase before and once for all', async () => {
  await using home = await encrypting({ passphrase: `echo asked >> FOLDER/asked; cat ${ring.passphraseFile}` });
  await home.write({ [`incoming/${two}`]: content, [`incoming/${three}`]: content });
  await archive(home);
  const wals = (await home.entries()).map((entry) => ({ entry, restoredName: entry.name }));
  await requireReadableWals(home.server, wals);
  const destination = join(home.folder, 'pg_wal');
  const { server } = home;
  await copyWals(
    { server, wals, streamingPartial: undefined, folder: destination, segmentSize: content.length, marksArchived: false },
    aContext(),
  );
  for (const name of [two, three]) expect(await readFile(join(destination, name), 'utf8')).toBe(content);
  expect(await readFile(join(home.folder, 'asked'), 'utf8')).toBe('asked\nasked\n');
});

const complete = 'backup_method = postgres\nbackup_compression = gzip\nbackup_compression_format = tar';

test.each([
  { title: 'works with a key', more: complete, expected: { isOk: true } },
  {
    title: 'wants all settings',
    more: 'backup_method = postgres',
    expected: { isOk: false, hint: 'encryption = gpg needs backup_compression, backup_compression_format = tar' },
  },
])('the check $title', async ({ more, expected }) => {
  await using home = await encrypting({ more });
  expect(await encryptionCheck.run({ server: home.server } as CheckFacts, toolsWith())).toMatchObject(expected); // nothing else is looked at
});

test('the check tries the key', async () => {
  await using home = await encrypting({ more: complete });
  await writeFile(join(home.folder, 'gpg'), '#!/bin/sh\necho "gpg: no such key" >&2\nexit 2\n', { mode: 0o755 });
  const server = { ...home.server, programPath: home.folder };
  expect(await encryptionCheck.run({ server } as CheckFacts, toolsWith())).toMatchObject({
    isOk: false,
    hint: expect.stringContaining('gpg: no such key') as string,
  });
});

describe('a gpg that hangs is killed, and its file told', () => {
  /** A folder with a gpg that does this. */
  async function hanging(work: string): Promise<TemporaryFolder> {
    const bin = await createTemporaryFolder('hg');
    await writeFile(join(bin.path, 'gpg'), `#!/bin/sh\n${work}\nexec sleep 1000\n`, { mode: 0o755 });
    return bin;
  }

  test.each(['', 'head -c 100 >/dev/null', 'echo something'])('while it encrypts, after %j', async (work) => {
    await using bin = await hanging(work);
    const from = join(bin.path, 'segment');
    await writeFile(from, content);
    const options = { recipient: 'x', path: bin.path, environment: process.env, stallMs: 200 };
    await expect(encryptFile(from, join(bin.path, 'out'), options)).rejects.toThrow(`works on ${from} neither read nor wrote`);
  });

  test.each(['', 'echo something', `head -c 100000 /dev/zero`])('while it decrypts, after %j', async (work) => {
    await using bin = await hanging(work);
    const sealed = join(bin.path, 'sealed');
    await encryptFile(fileURLToPath(import.meta.url), sealed, { recipient: ring.keyId, ...realSurroundings() });
    const passphrase = () => Promise.resolve(Buffer.from('x'));
    const storage = { path: bin.path, environment: process.env, passphrase, stallMs: 200 };
    const output = new PassThrough().resume();
    await expect(writePlainWal(sealed, output, storage)).rejects.toThrow(`works on ${sealed} neither read nor wrote`);
  });

  test('and so is a command that is to print the passphrase', async () => {
    const asking = askPassphrase('exec sleep 1000', { environment: process.env, stallMs: 200 });
    await expect(asking).rejects.toThrow('encryption_passphrase_command did not end within 0.2 s, and was killed');
  });

  test('a reader that takes its time is no reason', async () => {
    await using folder = await createTemporaryFolder('hg');
    const [clear, sealed] = [join(folder.path, 'clear'), join(folder.path, 'sealed')];
    await writeFile(clear, Buffer.alloc(4 << 20));
    await encryptFile(clear, sealed, { recipient: ring.keyId, ...realSurroundings() });
    const passphrase = async () => await readFile(ring.passphraseFile);
    const output = new PassThrough();
    const writing = writePlainWal(sealed, output, { ...realSurroundings(), passphrase, stallMs: 1000 });
    await delay(2500);
    const taken = buffer(output);
    await writing;
    output.end();
    expect((await taken).length).toBe(4 << 20);
  });

  const realSurroundings = () => ({ path: '/usr/bin:/bin', environment: { ...process.env, GNUPGHOME: ring.path } });
});
