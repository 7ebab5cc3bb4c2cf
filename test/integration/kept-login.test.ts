import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runProgram } from '../helpers/run-program.ts';
import { helperOf, openShipSite } from '../helpers/ship-site.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';
import { aSegment, nameOfSegment } from '../helpers/wal-segment.ts';

test('a login that ssh keeps open serves archive_command and restore_command, and none of them waits for its end', async () => {
  await using site = await openShipSite('ours');
  await using folder = await createTemporaryFolder('kl');
  const socket = join(folder.path, 'login');
  await site.addSshOptions(`-o ControlMaster=auto -o ControlPath=${socket} -o ControlPersist=600`);
  const [archive, restore] = [await helperOf(site, 'wal-archive'), await helperOf(site, 'wal-restore')];
  const segments = [aSegment(1), aSegment(2)];
  try {
    for (const [index, content] of segments.entries()) {
      const number = index + 1;
      await writeFile(join(site.data, 'pg_wal', nameOfSegment(number)), content);
      const sent = await site.run([archive, '127.0.0.1', 'main', join('pg_wal', nameOfSegment(number))]);
      expect(sent).toMatchObject({ exitCode: 0, stderr: '' });
    }
    const fetched = await site.run([restore, '127.0.0.1', 'main', nameOfSegment(2), 'pg_wal/RECOVERYXLOG']);
    expect(fetched).toMatchObject({ exitCode: 0, stderr: '' });
    expect((await readFile(join(site.data, 'pg_wal', 'RECOVERYXLOG'))).equals(segments[1]!)).toBe(true);
    expect(await site.logins()).toBe(1);
  } finally {
    await runProgram(['ssh', '-S', socket, '-O', 'exit', '127.0.0.1']);
  }
});
