import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dataFolderExclusions, matcherOf, tablespaceExclusions, tablespaceFolder } from '../../../src/backup/copy-rules.ts';
import { lacksPrograms } from '../../helpers/installations.ts';
import { runProgram } from '../../helpers/run-program.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../../helpers/temporary-folder.ts';

/** Names that meet every rule, just miss one, or only look like it. */
const paths = [
  'PG_VERSION',
  'backup_label.old',
  'base/1/1259',
  'base/1/t3_16400',
  'base/1/t3_16400_fsm',
  'base/1/txt_1',
  'base/pgsql_tmp/pgsql_tmp1.0',
  'base/pgsql_tmp9',
  'base/1/pg_internal.init',
  'global/pg_internal.init',
  'global/pg_control',
  'other/global/pg_control',
  'log/postgresql.log',
  'other/log/kept',
  'pg_log/x',
  'pg_wal/000000010000000000000001',
  'pg_wal/archive_status/x.done',
  'pg_notify/0000',
  'other/pg_notify/0000',
  'pg_replslot/slot/state',
  'pg_tblspc/16384',
  'pg_tblspc/16385',
  'pg_stat/kept',
  'pg_stat_tmp/global.stat',
  'postgresql.auto.conf',
  'postgresql.auto.conf.tmp',
  'postmaster.pid',
  'deep/postmaster.pid',
  'postmaster.pid.bak',
  'recovery.conf',
  'standby.signal',
  'recovery.signal',
  'in side [x]/PG_15_1/1/2',
  'in side x/kept',
  'PG_15_202209061/1/2',
  'PG_15_202209061/1/t1_2',
  'PG_16_1/1/2',
  'Büro/t1_1',
  '1ü/t1_1',
];

let folder: TemporaryFolder;
beforeAll(async () => {
  folder = await createTemporaryFolder('cr');
  for (const path of paths) {
    await mkdir(dirname(join(folder.path, path)), { recursive: true });
    await writeFile(join(folder.path, path), '');
  }
});
afterAll(async () => folder[Symbol.asyncDispose]());

async function takenByRsync(rules: readonly string[]): Promise<string[]> {
  const argv = ['rsync', '-r8n', '--out-format=%n', ...rules, `${folder.path}/`, `${folder.path}.none/`];
  const { stdout } = await runProgram(argv);
  return stdout.split('\n').filter((line) => line !== '' && !line.endsWith('/'));
}

test.skipIf(lacksPrograms('rsync'))('the rules of the data folder leave out what rsync leaves out', async () => {
  const tablespaces = [
    { oid: 16384, location: '/elsewhere' },
    { oid: 16386, location: '/data/in side [x]' },
  ];
  const patterns = dataFolderExclusions({ pgdata: '/data', version: 150_018, tablespaces });
  const isExcluded = matcherOf(patterns);
  const taken = paths.filter((path) => !isExcluded(path));
  expect(taken.toSorted()).toEqual((await takenByRsync(patterns.map((rule) => `--exclude=${rule}`))).toSorted());
  expect(taken).toContain('other/log/kept');
  expect(taken).not.toContain('pg_tblspc/16384');
  expect(taken).toContain('pg_tblspc/16385');
});

test.skipIf(lacksPrograms('rsync'))('the rules of a tablespace take the folder of one major version', async () => {
  const include = tablespaceFolder(150_018);
  const exclude = tablespaceExclusions();
  const [isIncluded, isExcluded] = [matcherOf([include]), matcherOf(exclude)];
  const taken = paths.filter((path) => isIncluded(path) && !isExcluded(path));
  expect(taken).toEqual(['PG_15_202209061/1/2']);
  const rules = [...exclude.map((rule) => `--exclude=${rule}`), `--include=${include}`, '--exclude=/*'];
  expect(taken.toSorted()).toEqual((await takenByRsync(rules)).toSorted());
});
