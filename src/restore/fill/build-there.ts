import { join } from 'node:path';
import type { Context } from '../../shared/context.ts';
import type { SourceMember } from '../content/backup-source.ts';
import { controlFile, heldControlFile } from '../content/restored-files.ts';
import { unpackedBytes } from '../content/unpacked-size.ts';
import type { RestoreHost } from '../host/restore-host.ts';
import type { StageClock } from '../plan/stage-clock.ts';
import { makeStagingThere } from '../plan/staging.ts';
import { allowGroup } from './allow-group.ts';
import { type Building, type Finish, modeFor, plainMember } from './build-trees.ts';
import { combineChain, type PlainMember } from './combine-chain.ts';
import { linkThere, type Sending, sendControlFile, sendTrees } from './send-trees.ts';
import { type PackedWork, unpackMemberThere } from './unpack-member-there.ts';

interface BuildingThere extends Building {
  readonly restoreHost: RestoreHost;
  /** How things are sent; its places are not looked at. */
  readonly sending: Sending;
}

type Work = BuildingThere & PackedWork;

/**
 * Makes data directory and tablespaces on the host of the destination: the backup is sent as it is kept, but for its encryption, and unpacked and combined there
 * (docs/reference/engine.md section 12.5, remote staging). All is there afterwards but the control file.
 */
export async function buildThere(building: BuildingThere, stages: StageClock, context: Context): Promise<Finish> {
  const { restoreHost, places, source, stagingPath, totalBytes } = building;
  await using staging = await makeStagingThere(restoreHost, stagingPath, context);
  const work = { ...building, staging: staging.path, stages, context };
  if (source.members.length > 1) await combineThere(work);
  else {
    for (const path of [places.destination, ...places.tablespaces.map(({ location }) => location)])
      await restoreHost.makeFolder(path);
    await unpackMemberThere(source.leaf, { ...places, isForReading: false, totalBytes }, work);
    await allowGroup(restoreHost, places.destination);
  }
  await linkThere(restoreHost, places);
  return async () => {
    await restoreHost.rename(join(places.destination, heldControlFile), join(places.destination, controlFile));
    await restoreHost.sync([join(places.destination, controlFile), join(places.destination, 'global')]);
  };
}

async function combineThere(work: Work): Promise<void> {
  const { restoreHost, places, source, totalBytes, stages, context } = work;
  const members: PlainMember[] = [];
  for (const member of source.members) {
    const there = membersPlaces(member, work.staging);
    members.push({
      data: there.destination,
      tablespaces: new Map(there.tablespaces.map(({ oid, location }) => [oid, location])),
    });
    if (member.form === 'plain') await sendPlain(member, there, work);
    else await unpackForReading(member, there, work);
  }
  const version = source.leaf.backup.version ?? 0;
  const chain = {
    members,
    destination: places.destination,
    tablespaces: places.tablespaces,
    mode: modeFor(work, true, context),
    version,
  };
  const { messages, progress } = context;
  progress.begin({ label: 'Combining', totalBytes });
  try {
    const onWritten = (bytes: number): void => progress.advance(bytes);
    await stages.run('combine', totalBytes, () => combineChain(chain, { restoreHost, messages, onWritten }));
  } finally {
    progress.end();
  }
}

/** Where a member goes in the staging folder. */
function membersPlaces({ backup }: SourceMember, staging: string): Sending['places'] {
  const tablespaces = (backup.tablespaces ?? []).map(({ oid, name }) => {
    return { oid, name, source: '', location: join(staging, backup.id, String(oid)) };
  });
  return { source: '', destination: join(staging, backup.id, 'data'), tablespaces };
}

async function sendPlain(member: SourceMember, there: Sending['places'], { sending, stages, context }: Work): Promise<void> {
  const from = plainMember(member);
  const tablespaces = there.tablespaces.map((move) => ({ ...move, source: from.tablespaces.get(move.oid) ?? '' }));
  const totalBytes = member.backup.size ?? 0;
  const own = { ...sending, isDelta: false, totalBytes, places: { ...there, source: from.data, tablespaces } };
  await stages.run('send', totalBytes, async () => {
    await sendTrees(own, context);
    await sendControlFile(own, context);
  });
}

/** A member of a chain as `pg_combinebackup` reads it. */
async function unpackForReading(member: SourceMember, there: Sending['places'], work: Work): Promise<void> {
  const { restoreHost } = work;
  for (const path of [there.destination, ...there.tablespaces.map(({ location }) => location)])
    await restoreHost.makeFolder(path);
  await unpackMemberThere(member, { ...there, isForReading: true, totalBytes: await unpackedBytes(member) }, work);
  await allowGroup(restoreHost, there.destination); // pg_combinebackup gives all that it makes the modes that this folder stands for
  await linkThere(restoreHost, there);
}
