import { hasControlCharacter } from '../../shared/has-control-character.ts';
import { OperatorError } from '../../shared/operator-error.ts';

/**
 * Looks whether `--recovery-conf-filename` is the name of a file and not a way to another folder.
 * @throws OperatorError `target-invalid`
 */
export function requireFileName(name: string | undefined): void {
  if (name === undefined) return;
  if (name !== '' && name !== '.' && name !== '..' && !name.includes('/') && !hasControlCharacter(name)) return;
  throw new OperatorError(
    'target-invalid',
    `--recovery-conf-filename takes the name of a file in the destination, not '${name}'`,
  );
}
