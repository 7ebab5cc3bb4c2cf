// Some tests run our programs as the user that PostgreSQL runs as, from its archive_command for one. That user cannot enter a
// repository below /root, nor a Node installed there, so he gets copies.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runCommand, say, tryCommand } from './run-command.mjs';
import { asServerUser, serverUser } from './server-user.mjs';

/**
 * Gives `{ node, env, remove }`: the Node to run tests with, and what to add to their environment. Both are copies in a temporary
 * folder where the user cannot reach the originals; `remove` deletes it.
 */
export function makeProgramsReachable(repository) {
  const copiesPrograms = process.env.PGCELLAR_TEST_PROGRAMS === undefined && !canRead(programFiles(repository));
  const copiesNode = !canRun([process.execPath, '--version']);
  if (!copiesPrograms && !copiesNode) return { node: process.execPath, env: {}, remove: () => undefined };
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'pgcellar-programs-')));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    if (copiesPrograms) copyPrograms(repository, join(folder, 'pgcellar'));
    if (copiesNode) copyNode(join(folder, 'node'));
    runCommand(['chmod', '-R', 'a+rX', folder]);
  } catch (error) {
    remove();
    throw error;
  }
  return {
    node: copiesNode ? join(folder, 'node', 'node') : process.execPath,
    env: copiesPrograms ? { PGCELLAR_TEST_PROGRAMS: join(folder, 'pgcellar') } : {},
    remove,
  };
}

/** Through env(1): setpriv itself still may enter every folder when it starts its command. */
function canRun(argv) {
  return serverUser() === undefined || tryCommand(asServerUser(['env', ...argv]), { cwd: '/' }).status === 0;
}

/** Whether the server's user can reach and read all of the files and folders. */
function canRead(paths) {
  return canRun(['sh', '-c', 'for path do test -r "$path" || exit 1; done', 'sh', ...paths]);
}

function programFiles(repository) {
  const paths = ['package.json', 'bin', 'dist', ...productionPackages(repository)].map((name) => join(repository, name));
  return paths.filter((path) => existsSync(path));
}

function copyPrograms(repository, target) {
  say(`${serverUser().name} cannot read ${repository}: the programs are copied to ${target}`);
  for (const path of programFiles(repository)) {
    const copy = join(target, path.slice(repository.length));
    mkdirSync(dirname(copy), { recursive: true });
    runCommand(['cp', '-a', path, copy]);
  }
}

/** Paths of the packages that are needed at run time; those inside another package come with it. */
function productionPackages(repository) {
  const { packages } = JSON.parse(readFileSync(join(repository, 'package-lock.json'), 'utf8'));
  return Object.entries(packages)
    .filter(([path, { dev }]) => path !== '' && dev !== true && path.lastIndexOf('node_modules/') === 0)
    .map(([path]) => path);
}

/** Tests put the folder of the Node that runs them first in PATH, so running them with the copy is all that is needed. */
function copyNode(folder) {
  say(`${serverUser().name} cannot run ${process.execPath}: tests run with a copy in ${folder}`);
  mkdirSync(folder);
  runCommand(['cp', realpathSync(process.execPath), join(folder, 'node')]);
  chmodSync(join(folder, 'node'), 0o755);
}
