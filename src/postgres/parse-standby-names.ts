/**
 * The names in `synchronous_standby_names`, in any form that PostgreSQL takes, such as `ANY 1 (a, "B", *)`; Barman's `show-servers` has the
 * same list.
 */
export function parseStandbyNames(setting: string): string[] {
  const list = /^\s*(?:(?:first|any)\s+)?\d+\s*\((.*)\)\s*$/is.exec(setting)?.[1] ?? setting;
  return [...list.matchAll(/"((?:[^"]|"")*)"|[^\s,"]+/g)].map(([word, quoted]) => quoted?.replaceAll('""', '"') ?? word);
}
