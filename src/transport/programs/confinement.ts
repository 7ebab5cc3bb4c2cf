import type { Environment } from '../../shared/environment.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { runProgram } from './run-program.ts';

/** What Landlock of Linux 5.13, the first one, knows of changing a file system; moving into another folder is refused besides. */
const changes = [
  'write-file',
  'make-reg',
  'make-dir',
  'make-sym',
  'make-fifo',
  'make-sock',
  'make-char',
  'make-block',
  'remove-file',
  'remove-dir',
].join(',');

/**
 * Words for `setpriv` with which a program can change nothing but what really lies below a folder, whatever link it follows; none where the kernel or
 * `setpriv` (util-linux 2.40 has them) does not know how.
 */
export async function confinementTo(folder: string, environment: Environment): Promise<readonly string[]> {
  const words = [
    '--no-new-privs', // or only root may confine itself
    '--landlock-access',
    `fs:${changes}`,
    '--landlock-rule',
    `path-beneath:${changes}:${folder}`,
    '--landlock-rule',
    'path-beneath:write-file:/dev/null',
  ];
  try {
    const tried = await runProgram(['true'], { environment, confinement: words });
    return tried.exitCode === 0 ? words : [];
  } catch (error) {
    if (error instanceof OperatorError) return []; // the program itself will say what is missing
    throw error;
  }
}
