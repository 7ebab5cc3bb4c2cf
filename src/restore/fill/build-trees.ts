import { copyFile, mkdir, rename, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { WalStorage } from '../../encryption/stored-wal.ts';
import type { Context } from '../../shared/context.ts';
import { syncFolder } from '../../shared/durable-file.ts';
import type { Environment } from '../../shared/environment.ts';
import { forEachConcurrently } from '../../shared/for-each-concurrently.ts';
import { withRetries } from '../../shared/with-retries.ts';
import {
  type BackupSource,
  dataFolder,
  type SourceMember,
  tablespaceFolder,
  tablespaceOids,
} from '../content/backup-source.ts';
import { controlFile, heldControlFile } from '../content/restored-files.ts';
import { findTarFiles } from '../content/tar-files.ts';
import { unpackedBytes } from '../content/unpacked-size.ts';
import { differencesFrom, incomplete } from '../guards/find-losses.ts';
import type { Allowance } from '../guards/refusals.ts';
import { localRestoreHost } from '../host/local-restore-host.ts';
import type { DestinationPlan } from '../plan/plan-destination.ts';
import type { StageClock } from '../plan/stage-clock.ts';
import { makeStaging } from '../plan/staging.ts';
import { type CombineMode, combineChain, type PlainMember } from './combine-chain.ts';
import { copyControlFile, copyTree, linkTablespaces } from './copy-tree.ts';
import { Throttle } from './throttle.ts';
import { unpackTar } from './unpack-tar.ts';

export interface Building {
  readonly source: BackupSource;
  readonly places: Pick<DestinationPlan, 'source' | 'destination' | 'tablespaces'>;
  /** The expected number of bytes, for the progress line and the rates. */
  readonly totalBytes: number;
  readonly jobs: number;
  readonly kilobytesPerSecond: number;
  readonly retryTimes: number;
  readonly retrySleepSeconds: number;
  readonly stagingPath: string;
  readonly combineMode: CombineMode;
  readonly allowed: ReadonlySet<Allowance>;
  readonly storage: WalStorage;
  readonly programPath: string;
  readonly environment: Environment;
}

/** Puts the control file in place, durably: what comes last of all. */
export type Finish = () => Promise<void>;

/**
 * Makes data directory and tablespaces of a backup on this host, whatever its form: copied, unpacked, or combined of a chain (docs/reference/engine.md section 12.5). All is
 * there afterwards but the control file.
 */
export async function buildTrees(building: Building, stages: StageClock, context: Context): Promise<Finish> {
  const { source, places, totalBytes } = building;
  const { leaf, members } = source;
  if (members.length > 1) {
    await combine(building, stages, context);
  } else if (leaf.form === 'tar') {
    await stages.run('unpack', totalBytes, () => unpackMember(leaf, { ...building, isForReading: false }, context));
  } else {
    await stages.run('copy', totalBytes, () => copyTree({ ...building, plan: places }, context));
    return async () => {
      await copyControlFile(places);
    };
  }
  await linkTablespaces(places, true); // pg_combinebackup makes links of its own
  return async () => {
    await renameControlFile(places.destination);
  };
}

async function combine(building: Building, stages: StageClock, context: Context): Promise<void> {
  const { source, places, totalBytes, stagingPath, programPath, environment } = building;
  const packed = source.members.filter(({ form }) => form === 'tar');
  await using staging = packed.length === 0 ? undefined : await makeStaging(stagingPath);
  const members: PlainMember[] = [];
  for (const member of source.members) {
    if (member.form === 'plain' || staging === undefined) members.push(plainMember(member));
    else {
      const bytes = await unpackedBytes(member);
      const unpacking = { ...building, totalBytes: bytes };
      members.push(await stages.run('unpack', bytes, () => unpackForReading(member, staging.path, unpacking, context)));
    }
  }
  const { signal, messages, progress } = context;
  const mode = modeFor(building, packed.length === members.length, context);
  const version = source.leaf.backup.version ?? 0;
  const chain = { members, destination: places.destination, tablespaces: places.tablespaces, mode, version };
  const restoreHost = localRestoreHost({ programPath, environment, signal });
  const onWritten = (bytes: number): void => {
    progress.advance(bytes);
  };
  progress.begin({ label: 'Combining', totalBytes });
  try {
    await stages.run('combine', totalBytes, () => combineChain(chain, { restoreHost, messages, onWritten }));
  } finally {
    progress.end();
  }
}

/** Links to files of the catalog would let the restored server write into the backup; files of a staging folder are gone soon. */
export function modeFor(
  { combineMode }: Pick<Building, 'combineMode'>,
  isAllStaged: boolean,
  { messages }: Pick<Context, 'messages'>,
): CombineMode {
  if (combineMode !== 'link' || isAllStaged) return combineMode;
  messages.warning('--combine-mode link would tie the restored files to those of the backup, so files are copied');
  return 'copy';
}

/** A plain member of a chain where it lies in the catalog. */
export function plainMember(member: SourceMember): PlainMember {
  const oids = tablespaceOids(member);
  return { data: dataFolder(member), tablespaces: new Map(oids.map((oid) => [oid, tablespaceFolder(member, oid)])) };
}

/** A member of a chain as `pg_combinebackup` reads it, below a staging folder. */
async function unpackForReading(
  member: SourceMember,
  staging: string,
  building: Building,
  context: Context,
): Promise<PlainMember> {
  const data = join(staging, member.backup.id, 'data');
  const oids = tablespaceOids(member);
  const tablespaces = new Map(oids.map((oid) => [oid, join(staging, member.backup.id, String(oid))]));
  const places = {
    source: dataFolder(member),
    destination: data,
    tablespaces: [...tablespaces].map(([oid, location]) => ({ oid, name: '', source: '', location })),
  };
  await unpackMember(member, { ...building, places, isForReading: true }, context);
  await copyFile(join(dataFolder(member), 'backup_manifest'), join(data, 'backup_manifest'));
  await mkdir(join(data, 'pg_tblspc'), { recursive: true, mode: 0o700 });
  for (const [oid, location] of tablespaces) await symlink(location, join(data, 'pg_tblspc', String(oid)));
  return { data, tablespaces };
}

async function unpackMember(
  member: SourceMember,
  { isForReading, ...building }: Building & { readonly isForReading: boolean },
  context: Context,
): Promise<void> {
  const { places, jobs, kilobytesPerSecond, storage, totalBytes } = building;
  const tars = await findTarFiles(member);
  const knownOids = new Set([...tars.tablespaces.keys()].map(String));
  const works = [
    { archive: tars.data, destination: places.destination, isDataFolder: true },
    ...places.tablespaces.map(({ oid, location }) => ({
      archive: tars.tablespaces.get(oid) ?? '',
      destination: location,
      isDataFolder: false,
    })),
    ...[...tars.inPlace].map(([oid, archive]) => ({
      archive,
      destination: join(places.destination, 'pg_tblspc', String(oid)),
      isDataFolder: false,
    })),
  ];
  const throttle = new Throttle(kilobytesPerSecond, context);
  const unpacked = new Map<string, number>();
  context.progress.begin({ label: 'Unpacking', totalBytes });
  try {
    await forEachConcurrently(works, jobs, async (work) => {
      await withRetries(building, context, async (isRepeated) => {
        let doneBytes = 0;
        const onBytes = (bytes: number): void => {
          doneBytes += bytes;
          unpacked.set(work.archive, Math.max(doneBytes, unpacked.get(work.archive) ?? 0));
          context.progress.advance([...unpacked.values()].reduce((sum, one) => sum + one, 0));
        };
        const surroundings = { storage, throttle, signal: context.signal, onBytes };
        await unpackTar({ ...work, knownOids, isForReading, isRepeated }, surroundings);
      });
    });
  } finally {
    context.progress.end();
  }
  const { destination: data, tablespaces } = places;
  const locations = new Map(tablespaces.map(({ oid, location }) => [oid, location]));
  // the control file waits under another name
  const { text } = await differencesFrom(member, { data, tablespaces: locations }, (path) => path !== controlFile);
  if (text === undefined) return;
  if (!building.allowed.has('incomplete-backup')) throw incomplete(member, text).error;
  context.messages.warning(`backup ${member.backup.id} is not complete: ${text}: allowed by --allow incomplete-backup`);
}

async function renameControlFile(destination: string): Promise<void> {
  await rename(join(destination, heldControlFile), join(destination, controlFile));
  await syncFolder(join(destination, 'global'));
}
