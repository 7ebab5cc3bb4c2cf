// Backups as other programs lay them out: a chain packed into tar files, and tar files encrypted.
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GpgHome } from './gpg-home.ts';
import { runProgram } from './run-program.ts';
import type { TestHome } from './test-home.ts';

/** Packs a plain backup as pg_basebackup writes a tar. */
export async function packBackup(home: TestHome, id: string): Promise<void> {
  const folder = home.server('main', 'base', id);
  const script = `cd "$1" && mkdir tar && tar -C data --exclude=./backup_manifest -czf tar/base.tar.gz . && mv data/backup_manifest tar/ &&
for oid in [0-9]*; do tar -C "$oid" -czf "tar/$oid.tar.gz" . && rm -r "$oid" && mkdir "$oid" || exit 1; done && rm -r data && mv tar data`;
  const { exitCode, stderr } = await runProgram(['sh', '-c', script, 'sh', folder]);
  if (exitCode !== 0) throw new Error(`${folder} cannot be packed: ${stderr}`);
  const record = home.server('main', 'meta', `${id}-backup.info`);
  await writeFile(record, (await readFile(record, 'utf8')).replace(/^compression=.*$/m, 'compression=gzip'));
}

/** Encrypts the tar files of a backup as Barman does it since 3.14. */
export async function encryptBackup(home: TestHome, gpg: GpgHome, id: string): Promise<void> {
  const folder = home.server('main', 'base', id, 'data');
  const words = ['--recipient', gpg.keyId, '--trust-model', 'always', '--compress-level', '0'];
  for (const name of await readdir(folder)) {
    if (!name.includes('.tar')) continue;
    const path = join(folder, name);
    await gpg.gpg([...words, '--output', `${path}.gpg`, '--encrypt', path]);
    await rm(path);
  }
  const record = home.server('main', 'meta', `${id}-backup.info`);
  const text = (await readFile(record, 'utf8')).replace(/^encryption=.*\n/m, '');
  await writeFile(record, text.replace(/^end_offset/m, 'encryption=gpg\nend_offset'));
}
