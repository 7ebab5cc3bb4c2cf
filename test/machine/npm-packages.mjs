// node_modules as package-lock.json says.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand, timed } from './run-command.mjs';

/** Compares what npm noted down about node_modules with the lock file, and installs when anything differs. */
export async function ensureNpmPackages(repository) {
  if (isInstalled(repository)) return;
  await timed('npm packages', () =>
    runCommand(['npm', 'ci', '--ignore-scripts', '--no-fund', '--no-audit'], { cwd: repository }),
  );
}

function isInstalled(repository) {
  const noted = join(repository, 'node_modules', '.package-lock.json');
  if (!existsSync(noted)) return false;
  const wanted = packagesIn(join(repository, 'package-lock.json'));
  const found = packagesIn(noted);
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    if (found[path] === undefined) return entry.optional === true; // built for another platform
    return found[path].version === entry.version && existsSync(join(repository, path));
  });
}

function packagesIn(path) {
  return JSON.parse(readFileSync(path, 'utf8')).packages;
}
