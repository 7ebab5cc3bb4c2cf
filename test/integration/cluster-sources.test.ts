// Where the nodes of a cluster come from: the REST interface of Patroni, the table of repmgr, and what was seen last when neither answers.
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startSilentPort } from '../helpers/start-silent.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';

const opened = new Opened();
let primary: PostgresServer;
let home: TestHome;
let rest: Server;
let asked: (string | undefined)[] = [];

beforeAll(async () => {
  primary = await opened.add(startCluster({ major: 17 }));
  home = await opened.add(createTestHome());
  rest = createServer(({ url, headers }, answer) => {
    asked.push(headers.authorization);
    if (url !== '/cluster') {
      answer.writeHead(404).end();
      return;
    }
    const member = { name: 'one', role: 'leader', state: 'running', host: '127.0.0.1', port: primary.port };
    const gone = {
      name: 'two',
      role: 'replica',
      state: 'stopped',
      host: '127.0.0.1',
      port: 1,
      api_url: 'http://127.0.0.1:1/patroni',
    };
    answer.end(JSON.stringify({ members: [{ ...member, api_url: `${urlOf()}/patroni` }, gone] }));
  });
  rest.listen(0, '127.0.0.1');
  await once(rest, 'listening');
});
afterAll(async () => {
  rest.close();
  await opened.close();
});

function urlOf(login = ''): string {
  return `http://${login}127.0.0.1:${String((rest.address() as AddressInfo).port)}`;
}

interface Answer {
  readonly source: string;
  readonly source_problem: string | null;
  readonly nodes: readonly { readonly name: string; readonly status: string }[];
}

async function cluster(options: IniSection): Promise<Answer> {
  await home.writeServer('main', streamingServer(primary, options));
  const { stdout } = await runPgcellar(['-f', 'json', 'show-cluster', 'main'], { home });
  return (JSON.parse(stdout) as { main: Answer }).main;
}

const names = ({ nodes }: Answer) => nodes.map(({ name, status }) => `${name} ${status}`);

test('the members of Patroni, which is asked with the login of its address', async () => {
  const answer = await cluster({ cluster_nodes: 'patroni', cluster_url: `http://127.0.0.1:1 ${urlOf('us%40er:pass@')}` });
  expect([answer.source, answer.source_problem]).toEqual(['patroni', null]);
  expect(names(answer)).toEqual(['one running', 'two unreachable']);
  expect(asked).toContain(`Basic ${Buffer.from('us@er:pass').toString('base64')}`);
});

test('the word may stand in cluster, which is the name for models in Barman', async () => {
  expect((await cluster({ cluster: 'patroni', cluster_url: urlOf() })).source).toBe('patroni');
  expect((await cluster({ cluster: 'sales' })).source).toBe('off');
});

test('when Patroni does not answer, the members that were seen last', async () => {
  await cluster({ cluster_nodes: 'patroni', cluster_url: urlOf() });
  const answer = await cluster({ cluster_nodes: 'patroni', cluster_url: 'http://127.0.0.1:1' });
  expect(names(answer)).toEqual(['one running', 'two unreachable']);
});

test('a source that was never reached is told without its password, and leaves the host of conninfo', async () => {
  await rm(home.server('main', '.pgcellar'), { recursive: true, force: true });
  asked = [];
  const answer = await cluster({ cluster_nodes: 'patroni', cluster_url: 'http://me:secret@127.0.0.1:1' });
  expect(answer.source_problem).toContain('no REST interface of Patroni answers: http://127.0.0.1:1');
  expect(answer.source_problem).not.toContain('secret');
  expect(names(answer)).toEqual([`127.0.0.1:${String(primary.port)} running`]);
});

test('a file of what was seen that is damaged is no failure', async () => {
  await mkdir(home.server('main', '.pgcellar'), { recursive: true });
  await writeFile(join(home.server('main', '.pgcellar'), 'cluster.json'), '{"nodes": [{"host": 5}], "followed":');
  expect(names(await cluster({ cluster_nodes: 'conninfo' }))).toEqual([`127.0.0.1:${String(primary.port)} running`]);
});

test('the primaries and standbys of repmgr.nodes, in the database of that name', async () => {
  await primary.query('CREATE DATABASE repmgr');
  const where = { dbname: 'repmgr' };
  await primary.query('CREATE SCHEMA repmgr', where);
  await primary.query('CREATE TABLE repmgr.nodes (node_id int, node_name text, type text, conninfo text)', where);
  const conninfo = `host=127.0.0.1 port=${String(primary.port)} user=repmgr dbname=repmgr connect_timeout=2`;
  await primary.query(
    `INSERT INTO repmgr.nodes VALUES (1, 'first', 'primary', '${conninfo}'), (2, 'second', 'standby', 'host=127.0.0.1 port=1 user=repmgr'),
     (3, 'third', 'witness', 'host=127.0.0.1 port=2 user=repmgr')`,
    where,
  );
  const answer = await cluster({ cluster_nodes: 'repmgr' });
  expect([answer.source_problem, ...names(answer)]).toEqual([null, 'first running', 'second unreachable']);
});

test('an address that hangs keeps neither another one from answering nor the command from ending', async () => {
  await rm(home.server('main', '.pgcellar'), { recursive: true, force: true });
  await using silent = await startSilentPort();
  const first = await cluster({ cluster_nodes: 'patroni', cluster_url: `http://127.0.0.1:${String(silent.port)} ${urlOf()}` });
  expect([first.source_problem, ...names(first)]).toEqual([null, 'one running', 'two unreachable']);
  const both = `host=127.0.0.1,127.0.0.1 port=${String(silent.port)},${String(primary.port)}`;
  const strings = { conninfo: `${both} user=barman dbname=postgres`, streaming_conninfo: `${both} user=streaming_barman` };
  const second = await cluster({ ...strings, cluster_nodes: 'repmgr' });
  expect([second.source_problem, ...names(second)]).toEqual([null, 'first running', 'second unreachable']);
});

test('a node that was left behind with an older table hides no newer node', async () => {
  await rm(home.server('main', '.pgcellar'), { recursive: true, force: true });
  await using newer = await startCluster({ major: 17, uniqueSystemId: true });
  await newer.query('CREATE SCHEMA repmgr');
  await newer.query('CREATE TABLE repmgr.nodes (node_id int, node_name text, type text, conninfo text)');
  await newer.query(`INSERT INTO repmgr.nodes VALUES (4, 'fourth', 'primary', '${newer.conninfo({ user: 'repmgr' })}')`);
  const both = `host=127.0.0.1,127.0.0.1 port=${String(primary.port)},${String(newer.port)}`;
  const strings = { conninfo: `${both} user=barman dbname=postgres`, streaming_conninfo: `${both} user=streaming_barman` };
  const answer = await cluster({ ...strings, cluster_nodes: 'repmgr' });
  expect(names(answer)).toEqual(['first running', 'second unreachable', 'fourth running']);
});
