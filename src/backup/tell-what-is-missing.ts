import { lstat, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { ServerLayout } from '../catalog/server-layout.ts';
import type { Context } from '../shared/context.ts';
import { writeDerivedFile } from '../shared/durable-file.ts';
import { onDisk } from '../shared/file-name.ts';
import { isRecord } from '../shared/is-record.ts';
import { isBelow, isMissing } from '../shared/look.ts';
import { joined, type Text } from '../shared/messages.ts';
import type { BackupJob } from './backup-job.ts';

/**
 * Compares a backup of `pg_basebackup`, which copies files and folders of the data folder and nothing else, with what the server reads, and
 * warns of what a restored server would lack.
 */
export async function tellWhatIsMissing(job: BackupJob, skipped: readonly string[]): Promise<void> {
  const { server, context, facts } = job;
  const { layout, config } = server;
  const named = skipped.filter((path) => !/^\.s\.PGSQL\.\d+$/.test(path)); // a server makes its socket anew
  const links =
    named.length === 0
      ? undefined
      : `not in the backup, because pg_basebackup copies neither links nor special files: ${named.join(', ')}`;
  await tellOnce(layout, { topic: 'left out', text: links }, context);
  if (facts.pgdata === undefined || config.options.backup_options.includes('external_configuration')) return;
  const missing = await missingConfiguration(job, facts.pgdata, skipped);
  const text =
    missing.length === 0
      ? undefined
      : [
          'pg_basebackup does not copy the PostgreSQL configuration files that reside outside PGDATA. Please manually backup the following files:',
          ...missing.map((path) => `\t${path}`),
          '',
        ];
  if (!(await tellOnce(layout, { topic: 'configuration outside', text }, context))) return;
  context.messages.info(
    'A backup script can keep them with each backup (see docs/backup.md); backup_options = concurrent_backup, external_configuration turns this warning off.',
  );
}

async function missingConfiguration(
  { facts, files: backedUp, backup }: BackupJob,
  pgdata: string,
  skipped: readonly string[],
): Promise<string[]> {
  const files = [facts.configFile, facts.hbaFile, facts.identFile, ...facts.includedFiles].filter((path) => path !== undefined);
  const missing: string[] = [];
  for (const path of new Set(files)) {
    const inside = relative(pgdata, path);
    const isThere =
      isBelow(pgdata, path) &&
      !skipped.some((left) => left === inside || isBelow(left, inside)) &&
      (backup.compression !== null || (await isInBackup(join(backedUp.dataFolder, inside))));
    if (!isThere) missing.push(path);
  }
  return missing;
}

async function isInBackup(path: string): Promise<boolean> {
  try {
    await lstat(onDisk(path));
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** The subject of a warning; a server has one warning for each. */
type Topic = 'configuration outside' | 'left out';

/**
 * Warns of something that stays as it is until somebody changes the server: the first time, and when it has become something else. What
 * was told before is only logged, so that nobody gets the same mail every night.
 * @returns whether it was told
 */
export async function tellOnce(
  layout: ServerLayout,
  { topic, text }: { readonly topic: Topic; readonly text: Text | undefined },
  { messages, log }: Pick<Context, 'messages' | 'log'>,
): Promise<boolean> {
  const path = join(layout.root, '.pgcellar', 'told.json');
  const told = await readTold(path);
  const now = text === undefined ? undefined : joined(text);
  const isNew = told[topic] !== now;
  if (isNew) await writeDerivedFile(path, JSON.stringify({ ...told, [topic]: now }));
  if (text === undefined) return false;
  if (isNew) messages.warning(text);
  else log.info(`as before: ${joined(text)}`);
  return isNew;
}

async function readTold(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    return isRecord(value) ? value : {};
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return {};
    throw error;
  }
}
