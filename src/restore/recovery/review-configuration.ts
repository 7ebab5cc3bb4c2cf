/** A line of a configuration file: its number counted from 0. */
export interface ReviewedLine {
  readonly line: number;
  readonly key: string;
  readonly value: string | null;
}

export interface ConfigurationReview {
  /** The file as it has to be written. */
  readonly text: string;
  /** Settings that were changed, by their line in the file as it was. */
  readonly changes: readonly ReviewedLine[];
  /** Settings that the operator has to look at, by their line in the file as it is written. */
  readonly warnings: readonly ReviewedLine[];
}

/** They make the restored server write into the archive of its original. */
const disabled: Readonly<Record<string, string>> = { archive_command: 'false', archive_library: "''" };
/** They belong to an earlier recovery and would stop this one elsewhere. */
const removed = new Set([
  'recovery_target',
  'recovery_target_name',
  'recovery_target_time',
  'recovery_target_xid',
  'recovery_target_lsn',
  'recovery_target_inclusive',
  'recovery_target_timeline',
  'recovery_target_action',
]);
/** They point outside of the data folder, or delete WAL from an archive (the last one). */
const dangerous = new Set([
  'data_directory',
  'config_file',
  'hba_file',
  'ident_file',
  'external_pid_file',
  'ssl_cert_file',
  'ssl_key_file',
  'ssl_ca_file',
  'ssl_crl_file',
  'ssl_crl_dir',
  'unix_socket_directory',
  'unix_socket_directories',
  'include',
  'include_dir',
  'include_if_exists',
  'archive_cleanup_command',
]);
const mark = '#BARMAN#';

/**
 * Takes out of a configuration file what would harm the original server or this recovery, and finds what the operator has to look at
 * (docs/reference/engine.md section 12.9). Names are matched in any case, as PostgreSQL reads them; Barman misses all but lower case, and `archive_library`.
 * @param text one character a byte, so that no encoding is touched
 */
export function reviewConfiguration(text: string): ConfigurationReview {
  const lines: string[] = [];
  const changes: ReviewedLine[] = [];
  const warnings: ReviewedLine[] = [];
  text.split('\n').forEach((line, number) => {
    const { key, value } = parseSetting(line);
    const replacement = Object.hasOwn(disabled, key) && isActive(key, value) ? disabled[key] : undefined;
    if (replacement !== undefined) {
      lines.push(`${mark}${line}`, `${key} = ${replacement}`);
      changes.push({ line: number, key, value: replacement });
    } else if (removed.has(key)) {
      lines.push(`${mark}${line}`);
      changes.push({ line: number, key, value: null });
    } else {
      if (dangerous.has(key)) warnings.push({ line: lines.length, key, value: decode(value) });
      lines.push(line);
    }
  });
  return { text: lines.join('\n'), changes, warnings };
}

/**
 * Whether a reviewed file takes in others, which nobody reviews: `archive_command` can stand there too.
 */
export function includesOthers({ warnings }: ConfigurationReview): boolean {
  return warnings.some(({ key }) => key.startsWith('include'));
}

/** Every setting of a file in its order: key in lower case, value as it is written. */
export function readSettings(text: string): readonly { readonly key: string; readonly value: string }[] {
  return text
    .split('\n')
    .map(parseSetting)
    .filter(({ key }) => key !== '');
}

/** How some settings are written in a file: PostgreSQL takes two spellings of a name for two settings until it applies them, one after the other. */
export function spellingsOf(text: string, keys: readonly string[]): readonly string[] {
  return text
    .split('\n')
    .map(parseSetting)
    .flatMap(({ key, name }) => (keys.includes(key) ? [name] : []));
}

/** The value that PostgreSQL reads from a text: quotes are taken off, a comment behind it is left out. */
export function settingValue(written: string): string {
  const [, quoted] = /^'((?:[^'\\]|''|\\.)*)'/s.exec(written) ?? [];
  if (quoted === undefined) return decode(written.replace(/\s*#.*$/, ''));
  return decode(quoted.replaceAll("''", "'").replaceAll(/\\(.)/gs, '$1'));
}

/** Settings of a file that the operator is told of when they have no effect or have to be looked at, by their line counted from 0. */
export function notableSettings(
  text: string,
  decided: ReadonlySet<string>,
): readonly (ReviewedLine & { readonly hasEffect: boolean })[] {
  return text.split('\n').flatMap((written, line) => {
    const { key, value } = parseSetting(written);
    const isDecided = decided.has(key) || (Object.hasOwn(disabled, key) && isActive(key, value));
    return isDecided || dangerous.has(key) ? [{ line, key, value: decode(value), hasEffect: !isDecided }] : [];
  });
}

/** Key in lower case, its name as it is written, and the rest of the line; an empty key for a comment or an empty line. */
function parseSetting(line: string): { readonly key: string; readonly name: string; readonly value: string } {
  const [, name = '', value = ''] = /^\s*([A-Za-z_][A-Za-z0-9_.]*)\s*=?\s*(.*?)\s*$/.exec(line) ?? [];
  return { key: name.toLowerCase(), name, value };
}

/** An empty library changes nothing, and servers before PostgreSQL 15 do not know the name; `archive_command` is forced in any case. */
function isActive(key: string, value: string): boolean {
  return key !== 'archive_library' || !/^(''|)\s*(#.*)?$/.test(value);
}

function decode(value: string): string {
  return Buffer.from(value, 'latin1').toString('utf8');
}
