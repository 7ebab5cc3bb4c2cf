/** Version of the package; a test compares it with package.json. */
export const version = '0.1.0';

/** Release of Barman whose formats and command line we speak. */
export const speaksLikeBarman = '3.20.1';

/**
 * The line of `--version` (product.md section 3): clients that parse Barman's look for a dotted number in the first word, so under
 * Barman's name that comes first.
 */
export function versionLine(programName: string): string {
  if (programName === 'barman') return `${speaksLikeBarman} Barman (pgcellar ${version})`;
  if (programName.startsWith('barman-')) return `${programName} ${speaksLikeBarman} (pgcellar ${version})`;
  return `${programName} ${version}`;
}
