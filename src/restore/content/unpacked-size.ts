import type { SourceMember } from './backup-source.ts';
import { readManifest } from './read-manifest.ts';

/** Bytes of a packed member of a chain when it is unpacked, by its manifest; an estimate without one. */
export async function unpackedBytes(member: SourceMember): Promise<number> {
  const sizes = await readManifest(member);
  if (sizes === undefined) return member.backup.clusterSize ?? 0;
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}
