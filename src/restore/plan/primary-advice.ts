import type { SourceContent } from '../content/source-content.ts';
import { readSettings } from '../recovery/review-configuration.ts';

/** Before this version a standby learns its primary from `recovery.conf`, which a restore writes anew. */
const configuredSince = 120_000;

/** Advice for the operator of a restored standby: only the operator knows its primary and its role. */
export function primaryAdvice(
  { configuration, included }: Pick<SourceContent, 'configuration' | 'included'>,
  version: number,
): string {
  const missing = 'set it before you start the standby, without it only archived WAL is replayed';
  if (version < configuredSince) return `recovery.conf has no primary_conninfo: ${missing}`;
  let conninfo = "''";
  const files = [
    configuration.get('postgresql.conf'),
    ...included.map(({ found }) => found),
    configuration.get('postgresql.auto.conf'),
  ];
  for (const file of files) {
    if (file?.kind !== 'file') continue;
    for (const { key, value } of readSettings(file.text)) if (key === 'primary_conninfo') conninfo = value;
  }
  if (/^(?:'')?\s*(?:#.*)?$/.test(conninfo)) return `the backup has no primary_conninfo: ${missing}`;
  return 'the standby streams from the primary that primary_conninfo of the backup names: review it before you start';
}
