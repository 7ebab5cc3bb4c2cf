/** A path below the root of an item and what lies there decide whether it is copied. */
export type CopyRule = (path: string) => boolean;

/** Files that no backup needs: temporary ones, and those that a starting server creates again (docs/reference/engine.md section 6.3). */
const commonExclusions = [
  'pgsql_tmp*',
  'postgresql.auto.conf.tmp',
  'current_logfiles.tmp',
  'pg_internal.init',
  'postmaster.pid',
  'postmaster.opts',
  'recovery.conf',
  'standby.signal',
  '**/[0-9]*/t[0-9]*_[0-9]*',
  'pg_dynshmem/*',
  'pg_notify/*',
  'pg_replslot/*',
  'pg_serial/*',
  'pg_stat_tmp/*',
  'pg_snapshots/*',
  'pg_subtrans/*',
];

/** The control file comes last and by itself. */
const dataExclusions = ['/pg_log/*', '/log/*', '/pg_xlog/*', '/pg_wal/*', '/global/pg_control'];

interface DataFolderRules {
  /** Absolute path of the data folder. */
  readonly pgdata: string;
  readonly version: number;
  readonly tablespaces: readonly { readonly oid: number; readonly location: string }[];
}

/** The data folder: all but those, and but the tablespaces, which are items of their own even when they lie inside. */
export function dataFolderExclusions({ pgdata, version, tablespaces }: DataFolderRules): readonly string[] {
  const inside = tablespaces
    .filter(({ location }) => location.startsWith(`${pgdata}/`))
    .map(({ location }) => escapePattern(location.slice(pgdata.length)));
  if (tablespaces.some(({ location }) => location === pgdata)) inside.push(tablespaceFolder(version));
  return [...dataExclusions, ...commonExclusions, ...tablespaces.map(({ oid }) => `/pg_tblspc/${String(oid)}`), ...inside];
}

/** A tablespace: what this major version keeps there, without {@link commonExclusions}. */
export function tablespaceExclusions(): readonly string[] {
  return commonExclusions;
}

/** The folder of a major version in a tablespace; other ones belong to other clusters. */
export function tablespaceFolder(version: number): string {
  return `/PG_${String(Math.floor(version / 10_000))}_*`;
}

/** Whether one of some patterns of rsync(1) matches a path, as rsync matches it. A match of a folder goes for all below it. */
export function matcherOf(patterns: readonly string[]): CopyRule {
  if (patterns.length === 0) return () => false;
  const shape = new RegExp(patterns.map(sourceOf).join('|'), 's');
  return (path) => shape.test(path);
}

/** An anchored pattern begins at the root, another one at any part of a path; both end with a part. */
function sourceOf(pattern: string): string {
  const isAnchored = pattern.startsWith('/');
  let source = '';
  for (let index = isAnchored ? 1 : 0; index < pattern.length; index++) {
    const rest = pattern.slice(index);
    const characterSet = /^\[[^\]]+\]/.exec(rest)?.[0];
    if (rest.startsWith('\\')) source += quoted(pattern.charAt(++index));
    else if (rest.startsWith('**/')) {
      source += '(?:.*/)?';
      index += 2;
    } else if (rest.startsWith('**')) {
      source += '.*';
      index++;
    } else if (rest.startsWith('*')) source += '[^/]*';
    else if (rest.startsWith('?')) source += '[^/]';
    else if (characterSet !== undefined) {
      source += characterSet;
      index += characterSet.length - 1;
    } else source += quoted(pattern.charAt(index));
  }
  return `${isAnchored ? '^' : '(?:^|/)'}${source}(?:/|$)`;
}

function quoted(character: string): string {
  return character.replace(/[.+^${}()|[\]\\*?]/g, String.raw`\$&`);
}

function escapePattern(text: string): string {
  return text.replace(/[*?[\\]/g, String.raw`\$&`);
}
