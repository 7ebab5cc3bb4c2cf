import type { FoundFile } from './mangle-configuration.ts';
import { readSettings } from './review-configuration.ts';

/** Before this version a standby learns its primary from `recovery.conf`, which a restore writes anew. */
const configuredSince = 120_000;

/** What the operator of a restored standby has to know: which primary it streams from, and as whom, nobody else can say. */
export function primaryAdvice(configuration: ReadonlyMap<string, FoundFile>, version: number): string {
  const missing = 'set it before you start the standby, without it only archived WAL is replayed';
  if (version < configuredSince) return `recovery.conf has no primary_conninfo: ${missing}`;
  let conninfo = "''";
  for (const name of ['postgresql.conf', 'postgresql.auto.conf']) {
    const file = configuration.get(name);
    if (file?.kind !== 'file') continue;
    for (const { key, value } of readSettings(file.text)) if (key === 'primary_conninfo') conninfo = value;
  }
  if (/^(?:'')?\s*(?:#.*)?$/.test(conninfo)) return `the backup has no primary_conninfo: ${missing}`;
  return 'the standby streams from the primary that primary_conninfo of the backup names: review it before you start';
}
