import { isAbsolute } from 'node:path';
import type { Backup } from '../../catalog/backups/backup.ts';
import type { SourceContent } from '../content/source-content.ts';
import type { RestoreHost } from '../host/restore-host.ts';
import type { IncludedFile } from './included-files.ts';
import { isConfiguredElsewhere, type MangledConfiguration, planConfiguration } from './mangle-configuration.ts';
import { decidedSettings, signalsSince, targetSettings } from './recovery-settings.ts';
import { notableSettings, type ReviewedLine, spellingsOf } from './review-configuration.ts';

/** A setting of a file that `postgresql.conf` takes in. */
interface IncludedLine extends ReviewedLine {
  readonly file: string;
  /** False where what a restore writes counts instead. */
  readonly hasEffect: boolean;
}

/** The fate of the configuration of a backup, with what stands in files that a restore leaves as they are. */
export interface PlannedConfiguration extends MangledConfiguration {
  readonly included: readonly IncludedLine[];
  /** Recovery targets that such files set, as they are spelled there. */
  readonly includedTargets: readonly string[];
}

interface ConfigurationQuestion {
  readonly content: SourceContent | undefined;
  readonly backup: Backup;
  /** The file that recovery settings are appended to. */
  readonly recoveryFile: string | undefined;
  readonly standbyMode: boolean;
}

interface Deciding {
  readonly version: number;
  readonly standbyMode: boolean;
  /** Recovery settings are written. */
  readonly recovers: boolean;
}

/** The fate of the configuration of a backup in the restored server. */
export async function sourceConfiguration(question: ConfigurationQuestion): Promise<PlannedConfiguration> {
  const { content, backup, recoveryFile, standbyMode } = question;
  if (content === undefined)
    return { changes: [], warnings: [], missingFiles: [], linkedFiles: [], included: [], includedTargets: [] };
  const version = backup.version ?? 0;
  const read = async (name: string) => await Promise.resolve(content.configuration.get(name) ?? ({ kind: 'missing' } as const));
  const decided = decidedFor({ version, standbyMode, recovers: recoveryFile !== undefined });
  const included = content.included.flatMap(({ path: file, found }) =>
    found.kind === 'file' ? notableSettings(found.text, decided).map((line) => ({ file, ...line })) : [],
  );
  const facts = { version, recoveryFile, isConfiguredElsewhere: isConfiguredElsewhere(backup) };
  const includedTargets = includedTargetsOf(content);
  const { changes, warnings, missingFiles, linkedFiles } = await planConfiguration(read, { ...facts, includedTargets });
  return { changes, warnings, missingFiles, linkedFiles, included, includedTargets };
}

/** Recovery targets that files set which are taken in, as they are spelled there. */
export function includedTargetsOf(content: SourceContent | undefined): readonly string[] {
  const texts = (content?.included ?? []).flatMap(({ found }) => (found.kind === 'file' ? [found.text] : []));
  return [...new Set(texts.flatMap((text) => spellingsOf(text, targetSettings)))];
}

function decidedFor({ version, standbyMode, recovers }: Deciding): ReadonlySet<string> {
  if (recovers) return decidedSettings(version, standbyMode);
  return new Set(version < signalsSince ? [] : targetSettings);
}

/** Files that the restored server takes in and that a restore does not bring: each as a warning. */
export async function includedFromElsewhere(
  included: readonly IncludedFile[],
  restoreHost: RestoreHost,
): Promise<readonly string[]> {
  const told: string[] = [];
  for (const { path, by, isRequired, found } of included) {
    if (found.kind === 'file') continue;
    const isThere = isAbsolute(path) && (await restoreHost.find(path)) !== undefined;
    if (isThere || found.kind === 'link')
      told.push(`${by} includes ${path}, which lies outside of the backup and is not reviewed`);
    else if (isRequired)
      told.push(`${by} includes ${path}, which is not part of the backup: PostgreSQL does not start without it`);
  }
  return told;
}
