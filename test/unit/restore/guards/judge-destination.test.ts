// Each test leads a restore at something that must not be harmed; nothing of it may be written even if a rule were broken, because judging only reads.
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ServerLayout } from '../../../../src/catalog/server-layout.ts';
import { judgeDestination } from '../../../../src/restore/guards/judge-destination.ts';
import { Refusals } from '../../../../src/restore/guards/refusals.ts';
import { findFreePort } from '../../../helpers/free-port.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../../../helpers/temporary-folder.ts';
import { aRestoreHost } from '../restore-context.ts';

let folder: TemporaryFolder;
const at = (...below: string[]) => join(folder.path, ...below);

beforeEach(async () => {
  folder = await createTemporaryFolder('judge');
  await mkdir(at('data'));
  await mkdir(at('home'));
});
afterEach(async () => {
  await folder[Symbol.asyncDispose]();
});

interface Wish {
  readonly isDelta?: boolean;
  readonly allowed?: 'other-cluster';
  readonly pgdata?: string;
}

async function judge({ isDelta = false, allowed, pgdata }: Wish = {}): Promise<Refusals> {
  const names = ['root', 'base', 'wals', 'xlogdb', 'incoming', 'streaming', 'errors', 'locks'];
  const layout = { serverName: 'main', ...Object.fromEntries(names.map((name) => [name, at('home', name)])) } as unknown;
  const tablespaces = [{ oid: 16400, name: 'fast', source: at('x'), location: at('fast') }];
  const plan = {
    source: at('x'),
    destination: at('data'),
    tablespaces,
    wal: { kind: 'fetched' as const },
    walFolderName: 'pg_wal',
  };
  const refusals = new Refusals(new Set(allowed === undefined ? [] : [allowed]));
  const backup = { version: 170_004, systemid: '7000', pgdata: pgdata ?? null };
  await judgeDestination({ plan, restoreHost: aRestoreHost(), layout: layout as ServerLayout, backup, isDelta }, refusals.add);
  return refusals;
}

function messages({ errors }: Refusals): string {
  return errors.map(({ message, hint = '' }) => `${message} (${hint})`).join('\n');
}

async function aCluster({ version = '17', systemid = 7000n }: { version?: string; systemid?: bigint } = {}): Promise<void> {
  await mkdir(at('data/global'), { recursive: true });
  await mkdir(at('data/pg_tblspc'));
  await writeFile(at('data/PG_VERSION'), `${version}\n`);
  const control = Buffer.alloc(8192);
  control.writeBigUInt64LE(systemid);
  await writeFile(at('data/global/pg_control'), control);
}

describe('a destination', () => {
  test('that holds a cluster is refused by that name', async () => {
    await aCluster();
    expect(messages(await judge())).toContain(`the destination ${at('data')} is not empty: holds the files of a cluster`);
  });

  test('on which a server runs is refused, for a delta restore too', async () => {
    const port = String(await findFreePort());
    await aCluster();
    await writeFile(at('data/postmaster.pid'), `${String(process.pid)}\n${at('data')}\n1\n${port}\n${folder.path}\n*\n`);
    // a process of that id works in another folder: the id was given to somebody else
    expect(messages(await judge({ isDelta: true }))).toBe('');
    const before = process.cwd();
    process.chdir(at('data'));
    try {
      expect(messages(await judge({ isDelta: true }))).toContain(`a PostgreSQL server runs on the destination ${at('data')}`);
      expect((await judge()).errors).toHaveLength(2);
    } finally {
      process.chdir(before);
    }
  });

  test('whose port is taken is refused, although the process cannot be seen', async () => {
    const port = String(await findFreePort());
    await aCluster();
    await writeFile(at('data/postmaster.pid'), `999999999\n${at('data')}\n1\n${port}\n${folder.path}\n*\n`);
    expect(messages(await judge({ isDelta: true }))).toBe('');
    const server = createServer().listen(at(`.s.PGSQL.${port}`));
    try {
      expect(messages(await judge({ isDelta: true }))).toContain(`takes connections on port ${port}`);
    } finally {
      server.close();
    }
  });

  test('of another major version is refused for a delta restore', async () => {
    await aCluster({ version: '16' });
    expect(messages(await judge({ isDelta: true }))).toContain(
      'holds a cluster of PostgreSQL 16, the backup is of PostgreSQL 17',
    );
  });

  test('of another cluster is refused for a delta restore, unless that is allowed', async () => {
    await aCluster({ systemid: 8000n });
    expect(messages(await judge({ isDelta: true }))).toMatch(
      /holds another cluster \(system identifier 8000, .* 7000\).*--allow other-cluster/,
    );
    const allowed = await judge({ isDelta: true, allowed: 'other-cluster' });
    expect(allowed.errors).toEqual([]);
    expect(allowed.warnings).toEqual([expect.stringContaining('holds another cluster')]);
  });

  test('that holds no cluster at all is nothing for a delta restore', async () => {
    await writeFile(at('data/thesis.txt'), 'the only copy');
    expect(messages(await judge({ isDelta: true }))).toContain('holds no cluster');
  });

  test('that holds the same cluster may be brought up to date', async () => {
    await aCluster();
    await mkdir(at('fast/PG_17_202406281'), { recursive: true });
    await symlink(at('fast'), at('data/pg_tblspc/16400'));
    expect(messages(await judge({ isDelta: true }))).toBe('');
  });
});

describe('a tablespace', () => {
  test('on the folder of another cluster is refused, for a delta restore too', async () => {
    await mkdir(at('fast/PG_17_202406281'), { recursive: true });
    expect(messages(await judge())).toMatch(
      /location of tablespace fast .* is not empty: holds the files of a cluster.*--tablespace/,
    );
    await aCluster();
    expect(messages(await judge({ isDelta: true }))).toContain(`is not used by the destination ${at('data')}`);
  });

  test('on that of the server that was backed up is refused by that name', async () => {
    await mkdir(at('fast'));
    await mkdir(at('pg/pg_tblspc'), { recursive: true });
    await symlink(at('fast'), at('pg/pg_tblspc/16400'));
    expect(messages(await judge({ pgdata: at('pg') }))).toContain(
      `is the tablespace of the server that was backed up, at ${at('pg')}`,
    );
  });
});
