import { join } from 'node:path';
import { OperatorError } from '../../shared/operator-error.ts';
import { type BackupSource, dataFolder } from '../content/backup-source.ts';
import { controlFile } from '../content/restored-files.ts';
import type { RestoreHost } from '../host/restore-host.ts';
import type { DestinationPlan } from './plan-destination.ts';
import type { StagingPlan } from './plan-staging.ts';
import type { PlannedSpace, PlannedTree } from './restore-plan.ts';

interface SpaceQuestion {
  /** This host, where the catalog is. */
  readonly here: Pick<RestoreHost, 'spaceAt'>;
  readonly restoreHost: Pick<RestoreHost, 'kind' | 'spaceAt' | 'sizesBelow'>;
  /** The name of the host that is restored to. */
  readonly hostName: string;
  readonly source: BackupSource;
  readonly places: DestinationPlan;
  readonly trees: readonly PlannedTree[];
  readonly walBytes: number;
  readonly staged: StagingPlan;
  /** On either host. */
  readonly stagingPath: string;
  readonly isDelta: boolean;
  /** Whether a copy of a file of this host in a folder of it shares its blocks. */
  readonly canClone: (file: string, folder: string) => Promise<boolean>;
}

interface Demand {
  readonly isHere: boolean;
  readonly path: string;
  readonly bytes: number;
  /** A file of what is copied there, in whole files. */
  readonly clonedFrom?: string;
}

/** The space that is needed and free on each file system that a restore writes to, on both hosts. */
export async function planSpaces(question: SpaceQuestion): Promise<readonly PlannedSpace[]> {
  const { here, restoreHost, hostName, canClone } = question;
  const byFileSystem = new Map<string, PlannedSpace>();
  for (const { isHere, path, bytes, clonedFrom } of await demandsOf(question)) {
    const host = isHere ? 'local' : hostName;
    const { fileSystem, freeBytes } = await (isHere ? here : restoreHost).spaceAt(path);
    const sharesBlocks = clonedFrom !== undefined && (await canClone(clonedFrom, path));
    const key = `${host} ${fileSystem}`;
    const before = byFileSystem.get(key);
    byFileSystem.set(key, {
      host,
      path: before?.path ?? path,
      neededBytes: (before?.neededBytes ?? 0) + (sharesBlocks ? 0 : bytes),
      freeBytes,
      sharesBlocks: sharesBlocks || before?.sharesBlocks === true,
    });
  }
  return [...byFileSystem.values()];
}

async function demandsOf(question: SpaceQuestion): Promise<readonly Demand[]> {
  const { restoreHost, source, places, trees, walBytes, staged, stagingPath, isDelta } = question;
  const isHere = restoreHost.kind === 'local';
  const isCloned = isHere && !isDelta && source.members.length === 1 && source.leaf.form === 'plain';
  const demands: Demand[] = [];
  for (const tree of trees) {
    const bytes = isDelta ? await growthOf(tree, question) : tree.bytes;
    demands.push({
      isHere,
      path: tree.destination,
      bytes,
      ...(isCloned ? { clonedFrom: join(dataFolder(source.leaf), controlFile) } : {}),
    });
  }
  if (places.wal.kind !== 'fetched') demands.push({ isHere, path: places.wal.folder, bytes: walBytes });
  if (staged.here !== undefined) demands.push({ isHere: true, path: stagingPath, bytes: staged.here });
  if (staged.there !== undefined) demands.push({ isHere: false, path: stagingPath, bytes: staged.there });
  return demands;
}

/** By how much a tree grows at most when it is written over what is there: files are written in place, and what has to go may go last. */
async function growthOf({ destination, bytes, sizes }: PlannedTree, { restoreHost }: SpaceQuestion): Promise<number> {
  const there = await restoreHost.sizesBelow(destination);
  if (sizes === undefined) return Math.max(0, bytes - [...there.values()].reduce((sum, size) => sum + size, 0));
  let growth = 0;
  for (const [path, size] of sizes) growth += Math.max(0, size - (there.get(path) ?? 0));
  return growth;
}

/** The refusal for a file system with too little space. */
export function tooSmall({ host, path, neededBytes, freeBytes }: PlannedSpace): OperatorError {
  const where = host === 'local' ? path : `${path} on ${host}`;
  const short = `${String(neededBytes)} bytes are needed and ${String(freeBytes)} are free`;
  return new OperatorError('destination-unusable', `there is too little space at ${where}: ${short}`, {
    hint: 'free some space, or put tablespaces elsewhere with --tablespace NAME:FOLDER, staged files with --staging-path FOLDER',
  });
}
