import { OperatorError } from '../../shared/operator-error.ts';
import type { BackupSource } from '../content/backup-source.ts';
import type { SourceReader } from '../content/read-source-content.ts';
import { unpackedThere } from '../fill/unpack-there.ts';
import type { RestoreHost } from '../host/restore-host.ts';
import type { StagingPlan } from '../plan/plan-staging.ts';
import type { RestoreRequest } from '../plan/restore-options.ts';
import type { Refusals } from './refusals.ts';

interface Means {
  readonly request: RestoreRequest;
  readonly source: BackupSource;
  readonly staging: StagingPlan;
  /** The host that is restored to. */
  readonly restoreHost: RestoreHost;
  readonly here: RestoreHost;
  readonly reader: Pick<SourceReader, 'requireReadable'>;
}

/** Programs and folders that a restore needs on either host, looked for before anything is written. */
export async function refuseMissingMeans(means: Means, refusals: Refusals): Promise<void> {
  const { request, source, staging, restoreHost, here, reader } = means;
  const { members, leaf } = source;
  const need = async (on: RestoreHost, name: string, neededFor: string): Promise<void> => {
    await refusals.take(() => on.requireProgram(name, neededFor));
  };
  if (restoreHost.kind === 'remote' || request.isDelta) await need(here, 'rsync', 'copying to another host and delta restores');
  if (restoreHost.kind === 'remote') await need(restoreHost, 'rsync', 'copying to another host');
  else await need(restoreHost, 'sync', 'making the restored files survive a power cut');
  if (members.length > 1) {
    const combiner = staging.isThere ? restoreHost : here;
    await refusals.take(() => combiner.requireClient('pg_combinebackup', leaf.backup.version ?? 0));
  }
  // the last member was read for its configuration
  for (const member of members.slice(0, -1)) {
    if (member.form === 'tar') await refusals.take(() => reader.requireReadable(member));
  }
  const { stagingPath } = request;
  if (staging.here !== undefined) await refusals.take(() => requireFolder(here, stagingPath));
  if (!staging.isThere) return;
  // a folder that is missing there is made
  if (!(await restoreHost.isWritable(stagingPath)))
    refusals.add(noStaging(stagingPath, 'cannot be written to on the other host'));
  if (members.some(({ form }) => form === 'tar')) await need(restoreHost, 'tar', 'unpacking on the host that is restored to');
  for (const { backup } of members) {
    const { compression } = backup;
    if (compression === null || compression === 'none') continue;
    if (unpackedThere.has(compression)) await need(restoreHost, compression, 'unpacking on the host that is restored to');
    else refusals.add(notThere(compression));
  }
}

async function requireFolder(here: RestoreHost, path: string): Promise<void> {
  const kind = (await here.find(path))?.kind;
  if (kind === undefined) throw noStaging(path, 'is missing');
  if (kind !== 'folder' && kind !== 'link') throw noStaging(path, 'is not a folder');
  if (!(await here.isWritable(path))) throw noStaging(path, 'cannot be written to');
}

function noStaging(path: string, why: string): OperatorError {
  return new OperatorError('file-unwritable', `cannot make a staging folder in ${path}: it ${why}`, {
    hint: 'name another one with --staging-path',
  });
}

function notThere(compression: string): OperatorError {
  return new OperatorError(
    'options-contradict',
    `a backup with the compression ${compression} cannot be unpacked on another host`,
    {
      hint: 'use --staging-location local, which does the work on this host',
    },
  );
}
