import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { writeManifest } from '../../../src/backup/write-manifest.ts';
import { createTemporaryFolder } from '../../helpers/temporary-folder.ts';

test('a manifest is what Barman writes for the same files, and is written once', async () => {
  await using folder = await createTemporaryFolder('mf');
  await mkdir(join(folder.path, 'base', '1'), { recursive: true });
  await writeFile(join(folder.path, 'a ä'), 'x');
  await writeFile(join(folder.path, 'base', '1', '2'), 'y');
  for (const name of ['a ä', 'base/1/2']) await utimes(join(folder.path, name), 1795694953, 1795694953);
  await writeFile(join(folder.path, '.backup_manifest.0123abcd.tmp'), 'of one that was killed');
  await writeManifest(folder.path);
  const text = await readFile(join(folder.path, 'backup_manifest'), 'utf8');
  // as the real Barman 3.13.3 wrote it
  expect(text).toBe(`{"PostgreSQL-Backup-Manifest-Version": 1,
"Files": [
{"Checksum": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", "Checksum-Algorithm": "SHA256", "Last-Modified": "2026-11-26 12:09:13", "Path": "a \\u00e4", "Size": 1},
{"Checksum": "a1fce4363854ff888cff4b8e7875d600c2682390412a8cf79b37d0b11148b0fa", "Checksum-Algorithm": "SHA256", "Last-Modified": "2026-11-26 12:09:13", "Path": "base/1/2", "Size": 1}],
"Manifest-Checksum": "1a247ddcad81e3b85c3e11a883b72e4146ffcdff89642c2bf8cf05f767e320c3"}
`);
  const head = text.slice(0, text.indexOf('"Manifest-Checksum"'));
  expect(text).toContain(createHash('sha256').update(head).digest('hex'));
  await expect(writeManifest(folder.path)).rejects.toThrow(/already exists/);
  expect((await readdir(folder.path)).toSorted()).toEqual(['a ä', 'backup_manifest', 'base']);
});

test('a manifest names files in the order of their whole paths', async () => {
  await using folder = await createTemporaryFolder('mf');
  const paths = ['a', 'a-b', 'a.d/x', 'a/b/c', 'a0/z', 'b'].map((path) => path.replace(/^a$/, 'a_'));
  for (const path of paths) {
    await mkdir(dirname(join(folder.path, path)), { recursive: true });
    await writeFile(join(folder.path, path), '');
  }
  await writeManifest(folder.path);
  const { Files: files } = JSON.parse(await readFile(join(folder.path, 'backup_manifest'), 'utf8')) as {
    Files: { Path: string }[];
  };
  expect(files.map(({ Path: path }) => path)).toEqual(paths.toSorted());
});
