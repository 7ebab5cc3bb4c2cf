import { readlink } from 'node:fs/promises';
import { basename, relative } from 'node:path';
import { type BackupFiles, filesBelow } from '../catalog/backups/backup-files.ts';
import { nameOf, onDisk } from '../shared/file-name.ts';
import { forEachBriefly } from '../shared/for-each-briefly.ts';
import { namesIn } from '../shared/look.ts';
import { OperatorError } from '../shared/operator-error.ts';

/**
 * Looks through what `pg_basebackup` has written: a server sends links of tablespaces only, and the program has pointed each of them to its folder in the
 * backup. Whoever reads another one later reads what is not of this backup.
 * @throws OperatorError `backup-failed` naming the first such link
 */
export async function refuseStrangeLinks(files: BackupFiles, oids: ReadonlySet<number>, signal: AbortSignal): Promise<void> {
  const links: string[] = [];
  await forEachBriefly(
    filesBelow(files.folder),
    ({ path, isLink }) => {
      if (isLink) links.push(path);
    },
    signal,
  );
  for (const path of links) await refuseStrange(path, files, oids);
  for (const oid of oids) await refuseStrangers(files.tablespaceFolder(oid));
}

/** In the place of a tablespace, which may be any folder that the server names, a restore puts the folder of PostgreSQL and nothing else. */
async function refuseStrangers(tablespace: string): Promise<void> {
  const stranger = (await namesIn(tablespace)).find((name) => !/^PG_\d/.test(name));
  if (stranger === undefined) return;
  throw new OperatorError(
    'backup-failed',
    `the server sent ${JSON.stringify(stranger)} for the tablespace ${basename(tablespace)}, which no PostgreSQL does`,
    { hint: 'find out which server answers at the address of streaming_conninfo' },
  );
}

async function refuseStrange(path: string, files: BackupFiles, oids: ReadonlySet<number>): Promise<void> {
  const target = nameOf(await readlink(onDisk(path), 'buffer'));
  const name = relative(files.dataFolder, path);
  const oid = /^pg_tblspc\/(\d{1,10})$/.exec(name)?.[1];
  if (oid !== undefined && oids.has(Number(oid)) && target === files.pathOf(oid)) return;
  const link = `${JSON.stringify(name)}, a link to ${JSON.stringify(target)}`;
  if (oid !== undefined && !oids.has(Number(oid)))
    throw new OperatorError(
      'backup-failed',
      `the server sent ${link}: a tablespace that it did not have when the backup began`,
      {
        hint: `take another backup; if ${target} is new on this host, pg_basebackup has made it: remove it`,
      },
    );
  throw new OperatorError('backup-failed', `the server sent ${link}, which no PostgreSQL does`, {
    hint: 'find out which server answers at the address of streaming_conninfo, and whether it has written through that link on this host',
  });
}
