// A relation of two segment files, the first of which is one large hole, in a database with an odd name.
import { chown, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { serverUser } from '../machine/server-user.mjs';
import type { PostgresServer } from './postgres-server.ts';

export const oddDatabase = 'Büro & "Söhne" [1]';

const segmentBytes = 1024 ** 3;
const where = { dbname: oddDatabase };

/** Its rows lie on both sides of the boundary: in the last page of the first file, and in the second file. */
export async function addBoundaryRelation(cluster: PostgresServer): Promise<void> {
  await cluster.query(`CREATE DATABASE "${oddDatabase.replaceAll('"', '""')}"`);
  await cluster.query('CREATE TABLE "über grenze" (n int, t text)', where);
  await cluster.query('CHECKPOINT');
  const path = join(cluster.dataDir, await cluster.value(`SELECT pg_relation_filepath('"über grenze"')`, where));
  await truncate(path, segmentBytes); // pages of zeros, which are new ones to PostgreSQL
  const user = serverUser();
  if (user !== undefined) await chown(path, user.uid, user.gid);
  await cluster.query('INSERT INTO "über grenze" SELECT n, md5(n::text) FROM generate_series(1, 2000) n', where);
  await cluster.query('CHECKPOINT');
  const blocks = await cluster.value(
    `SELECT min((ctid::text::point)[0]) || ' to ' || max((ctid::text::point)[0]) FROM "über grenze"`,
    where,
  );
  if (!/^131071 to 1310[78]\d$/.test(blocks)) throw new Error(`the rows are in the blocks ${blocks}`);
}

/** What a client can see of it, as one value. */
export async function boundaryChecksum(server: PostgresServer): Promise<string> {
  return await server.value(`SELECT count(*)::text || md5(string_agg(n::text || t, ',' ORDER BY n)) FROM "über grenze"`, where);
}

export async function dropBoundaryRelation(cluster: PostgresServer): Promise<void> {
  await cluster.query(`DROP DATABASE "${oddDatabase.replaceAll('"', '""')}"`);
}
