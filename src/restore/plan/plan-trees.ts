import { type BackupSource, dataFolder, tablespaceFolder } from '../content/backup-source.ts';
import type { SourceContent } from '../content/source-content.ts';
import type { DestinationPlan } from './plan-destination.ts';
import type { PlannedTree } from './restore-plan.ts';

/**
 * The folders of the restored server with where they come from and what they hold.
 * @param content undefined when it cannot be read: sizes are those of the record then
 */
export function planTrees(
  places: DestinationPlan,
  { leaf }: BackupSource,
  content: SourceContent | undefined,
): readonly PlannedTree[] {
  const unknown = { bytes: leaf.backup.size ?? 0, files: 0, isExact: false };
  const data: PlannedTree = {
    kind: 'data',
    name: undefined,
    source: dataFolder(leaf),
    destination: places.destination,
    ...(content?.data ?? unknown),
  };
  const tablespaces = places.tablespaces.map(({ oid, name, location }): PlannedTree => {
    const size = content?.tablespaces.get(oid) ?? { bytes: 0, files: 0, isExact: false };
    const source = leaf.form === 'tar' ? dataFolder(leaf) : tablespaceFolder(leaf, oid);
    return { kind: 'tablespace', name, source, destination: location, ...size };
  });
  return [data, ...tablespaces];
}
