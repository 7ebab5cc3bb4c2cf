import { createWriteStream } from 'node:fs';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { describe, expect, test } from 'vitest';
import { readBackupLabel } from '../../../src/backup/methods/postgres.ts';
import { codecFor } from '../../../src/compression/all-codecs.ts';
import { lacksPrograms } from '../../helpers/installations.ts';
import { createTemporaryFolder } from '../../helpers/temporary-folder.ts';

const label = 'START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\n';
const surroundings = { path: process.env['PATH'] ?? '/usr/bin', environment: process.env };

async function writeTar(path: string, fill: (archive: Pack) => void): Promise<void> {
  const archive = pack();
  fill(archive);
  archive.finalize();
  await pipeline(archive, createWriteStream(path));
}

describe('the label of a backup', () => {
  test.skipIf(lacksPrograms('lz4', 'zstd')).each([
    { extension: '', codec: undefined },
    { extension: '.gz', codec: 'gzip' },
    { extension: '.lz4', codec: 'lz4' },
    { extension: '.zst', codec: 'zstd' },
  ])('is read out of base.tar$extension, without reading on', async ({ extension, codec }) => {
    await using folder = await createTemporaryFolder('label');
    const plain = join(folder.path, 'written');
    await writeTar(plain, (archive) => {
      archive.entry({ name: 'backup_label' }, label);
      archive.entry({ name: 'base/1/1259' }, Buffer.alloc(8 * 1024 * 1024, 'data'));
    });
    const path = join(folder.path, `base.tar${extension}`);
    if (codec === undefined)
      await pipeline(await import('node:fs').then((fs) => fs.createReadStream(plain)), createWriteStream(path));
    else await codecFor(codec)?.compress(plain, path, 1, surroundings);
    expect(await readBackupLabel(folder.path, surroundings)).toBe(label);
  });

  test('is a file of its own in a plain backup', async () => {
    await using folder = await createTemporaryFolder('label');
    await writeFile(join(folder.path, 'backup_label'), label);
    expect(await readBackupLabel(folder.path, surroundings)).toBe(label);
  });

  test('is missed in a tar file that has none, and in a folder that has neither', async () => {
    await using folder = await createTemporaryFolder('label');
    await expect(readBackupLabel(folder.path, surroundings)).rejects.toThrow(/no backup_label in/);
    await writeTar(join(folder.path, 'base.tar'), (archive) => archive.entry({ name: 'PG_VERSION' }, '15\n'));
    await expect(readBackupLabel(folder.path, surroundings)).rejects.toThrow(/no backup_label in .*base\.tar/);
  });

  test('is not taken from a tar file that is cut off before it', async () => {
    await using folder = await createTemporaryFolder('label');
    const path = join(folder.path, 'base.tar');
    await writeTar(path, (archive) => {
      archive.entry({ name: 'base/1/1259' }, Buffer.alloc(100_000));
      archive.entry({ name: 'backup_label' }, label);
    });
    await truncate(path, 50_000);
    await expect(readBackupLabel(folder.path, surroundings)).rejects.toThrow(/not a complete tar file/);
  });
});
