import { stat } from 'node:fs/promises';
import type { BackupSource, SourceMember } from '../content/backup-source.ts';
import { findTarFiles } from '../content/tar-files.ts';
import { unpackedBytes } from '../content/unpacked-size.ts';
import type { WalPlan } from './plan-wals.ts';
import type { RestoreRequest } from './restore-options.ts';
import type { PlannedStaging } from './restore-plan.ts';

/** A member of a backup, and what it comes to on its way. */
export interface MemberSize {
  readonly member: SourceMember;
  /** As it is kept. */
  readonly keptBytes: number;
  readonly unpackedBytes: number;
}

/** The contents of staging folders. */
export interface StagingPlan {
  /** Bytes on this host, at most; undefined where no folder is made. */
  readonly here: number | undefined;
  /** Bytes on the host that is restored to. */
  readonly there: number | undefined;
  /** Whether the backup is sent as it is kept, and unpacked and combined on the host that is restored to. */
  readonly isThere: boolean;
  /** The full backup first. */
  readonly members: readonly MemberSize[];
}

interface StagingQuestion {
  readonly source: BackupSource;
  readonly request: Pick<RestoreRequest, 'remoteSshCommand' | 'stagingLocation' | 'fetchesWal'>;
  /** Of the restored trees. */
  readonly totalBytes: number;
  readonly wal: WalPlan;
  readonly segmentSize: number;
}

/** Packed WAL for another host is unpacked here in portions of so many files. */
export const walPortionFiles = 64;

/** Whether a restore stages on the host that is restored to (docs/reference/engine.md section 12.5); plain backups need no staging. */
function isStagedThere(
  { members, leaf }: BackupSource,
  { remoteSshCommand, stagingLocation }: Pick<RestoreRequest, 'remoteSshCommand' | 'stagingLocation'>,
): boolean {
  const isPlain = members.length === 1 && leaf.form === 'plain';
  return remoteSshCommand !== undefined && stagingLocation === 'remote' && !isPlain;
}

/** Says what has to lie in staging folders, and where. */
export async function planStaging(question: StagingQuestion): Promise<StagingPlan> {
  const { source, request, totalBytes } = question;
  const isChain = source.members.length > 1;
  const members: MemberSize[] = [];
  for (const member of source.members) members.push(await sizeOf(member, isChain ? undefined : totalBytes));
  const packed = members.filter(({ member }) => member.form === 'tar');
  const unpacked = isChain ? packed.reduce((sum, one) => sum + one.unpackedBytes, 0) : 0;
  const isThere = isStagedThere(source, request);
  const plan = { isThere, members };
  if (request.remoteSshCommand === undefined) return { ...plan, here: orNone(unpacked), there: undefined };
  const spool = spoolBytes(question);
  if (!isThere) {
    const isPlain = !isChain && packed.length === 0;
    return { ...plan, here: together(isPlain ? undefined : totalBytes + unpacked, spool), there: undefined };
  }
  const decrypted = packed.filter(({ member }) => member.isEncrypted);
  const plain = isChain ? members.filter(({ member }) => member.form === 'plain') : [];
  const sent = plain.reduce((sum, { keptBytes }) => sum + keptBytes, 0);
  // the members of a chain come one after the other, and each one's tar files go when they are unpacked
  return { ...plan, here: together(largest(decrypted), spool), there: sent + unpacked + (largest(packed) ?? 0) };
}

async function sizeOf(member: SourceMember, restoredBytes: number | undefined): Promise<MemberSize> {
  if (member.form === 'plain') {
    const bytes = member.backup.size ?? 0;
    return { member, keptBytes: bytes, unpackedBytes: bytes };
  }
  const { data, tablespaces, inPlace } = await findTarFiles(member);
  const sizes = await Promise.all(
    [data, ...tablespaces.values(), ...inPlace.values()].map(async (path) => (await stat(path)).size),
  );
  const keptBytes = sizes.reduce((sum, size) => sum + size, 0);
  return { member, keptBytes, unpackedBytes: restoredBytes ?? (await unpackedBytes(member)) };
}

function largest(members: readonly MemberSize[]): number | undefined {
  return members.length === 0 ? undefined : Math.max(...members.map(({ keptBytes }) => keptBytes));
}

function spoolBytes({ wal, segmentSize, request }: StagingQuestion): number | undefined {
  if (request.fetchesWal) return undefined;
  const packed = wal.copies.filter(({ entry }) => entry.compression !== null || entry.encryption !== null).length;
  return Math.min(packed + (wal.streamingPartial === undefined ? 0 : 1), walPortionFiles) * segmentSize;
}

function together(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : one + other;
}

function orNone(bytes: number): number | undefined {
  return bytes === 0 ? undefined : bytes;
}

/** Its folders, as a plan shows them. @param placeName what the host that is restored to is called */
export function stagingFolders({ here, there }: StagingPlan, path: string, hostName: string): readonly PlannedStaging[] {
  return [
    ...(here === undefined ? [] : [{ host: 'local', path, bytes: here }]),
    ...(there === undefined ? [] : [{ host: hostName, path, bytes: there }]),
  ];
}
