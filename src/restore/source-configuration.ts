import type { Backup } from '../catalog/backup.ts';
import { type MangledConfiguration, planConfiguration } from './mangle-configuration.ts';
import type { SourceContent } from './source-content.ts';

/**
 * What becomes of the configuration of a backup in the restored server.
 * @param recoveryFile the file that recovery settings are appended to
 */
export async function sourceConfiguration(
  content: SourceContent | undefined,
  { version }: Backup,
  recoveryFile: string | undefined,
): Promise<MangledConfiguration> {
  if (content === undefined) return { changes: [], warnings: [], missingFiles: [], linkedFiles: [] };
  const read = async (name: string) => await Promise.resolve(content.configuration.get(name) ?? ({ kind: 'missing' } as const));
  const { changes, warnings, missingFiles, linkedFiles } = await planConfiguration(read, version ?? 0, recoveryFile);
  return { changes, warnings, missingFiles, linkedFiles };
}
