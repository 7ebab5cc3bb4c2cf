// "Your first server" of README.md, line by line as it stands there: only names of this machine are put in.
import { readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeEachPostgres } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import type { ProgramResult } from '../helpers/run-program.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';

const newest = 18;

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let cluster: PostgresServer;
    let home: TestHome;
    let lines: readonly string[];

    beforeAll(async () => {
      const blocks = await readBlocks('Your first server');
      cluster = await opened.add(
        startCluster({
          major,
          hba: [
            'host all pgcellar,streaming_pgcellar all scram-sha-256',
            'host replication streaming_pgcellar all scram-sha-256',
          ],
        }),
      );
      home = await opened.add(createTestHome());
      await cluster.psql(blocks('sql').replace('…', 'p:1').replace('…', String.raw`p\2`));
      await writeFile(
        join(home.userHome, '.pgpass'),
        String.raw`*:*:*:pgcellar:p\:1` + '\n' + String.raw`*:*:*:streaming_pgcellar:p\\2`,
        { mode: 0o600 },
      );
      await home.writeFile('user/.pgcellar.conf', here(blocks('ini')));
      lines = blocks('sh')
        .split('\n')
        .filter((line) => line.startsWith('pgcellar '));
    });
    afterAll(() => opened.close());

    /** The configuration with the server, the folders and the user of this test. */
    const here = (text: string): string =>
      text
        .replaceAll('host=db1', `host=127.0.0.1 port=${String(cluster.port)}`)
        .replaceAll('/var/lib/pgcellar', home.path)
        .replaceAll('/var/log/pgcellar', home.folder)
        .replace('barman_user = pgcellar', `barman_user = ${userInfo().username}`);

    const run = async (line: string): Promise<ProgramResult> => {
      const words = [...line.replace(/ #.*/, '').matchAll(/'([^']*)'|(\S+)/g)].map(
        ([, quoted, plain]) => quoted ?? plain ?? '',
      );
      return await runPgcellar(words.slice(1), { home, config: false, postgres: major });
    };

    test('every command of it succeeds the first time, with passwords from ~/.pgpass and without a word of complaint', async () => {
      expect(lines.map((line) => line.split(' ')[1])).toEqual(['cron', 'switch-wal', 'check', 'backup', 'restore']);
      for (const line of lines.slice(0, -1)) expect(await run(line)).toMatchObject({ exitCode: 0, stderr: '' });
      await cluster.query('CREATE TABLE before_the_accident ()');
      const moment = await cluster.value('SELECT clock_timestamp()::text');
      await cluster.query('CREATE TABLE after_the_accident ()');
      await run('pgcellar switch-wal --archive main');
      const restore = (lines.at(-1) ?? '').replace(/'[^']*'/, `'${moment}'`).replace(/\S+$/, join(home.folder, 'restored'));
      expect(await run(restore)).toMatchObject({ exitCode: 0, stderr: '' });
    });
  },
  [newest],
);

/** The code blocks of a section of README.md, by their language. */
async function readBlocks(section: string): Promise<(language: string) => string> {
  const text = await readFile(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8');
  const found = text.split(/^## /m).find((part) => part.startsWith(section)) ?? '';
  const blocks = [...found.matchAll(/^```(\w+)\n(.*?)^```$/gms)];
  return (language) => blocks.findLast(([, name]) => name === language)?.[2] ?? '';
}
