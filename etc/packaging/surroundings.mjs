// What all makers of packages stand on: the repository, its commit's time, running programs, writing files.
import { spawnSync } from 'node:child_process';
import { chmodSync, lstatSync, lutimesSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repository = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** Something that the operator mends; one line. */
export class PackagingError extends Error {}

export function packageOf(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

/** Debian package that brings a program that we run. */
const broughtBy = {
  'dpkg-deb': 'dpkg',
  rpmbuild: 'rpm',
  zstd: 'zstd',
  strip: 'binutils',
  tar: 'tar',
  gzip: 'gzip',
  git: 'git',
};

/** Runs a program to its end; gives its standard output. */
export function run([program, ...words], options = {}) {
  const { error, status, stdout, stderr } = spawnSync(program, words, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  });
  if (error?.code === 'ENOENT') {
    const hint = broughtBy[program] === undefined ? '' : `: it is in the Debian package ${broughtBy[program]}`;
    throw new PackagingError(`${program} is not installed${hint}`);
  }
  if (error !== undefined) throw error;
  if (status !== 0)
    throw new PackagingError(`${[program, ...words].join(' ')} ended with ${String(status)}:\n${stdout}${stderr}`);
  return stdout;
}

/** Seconds since 1970 that every file of a package has: SOURCE_DATE_EPOCH, else the time of the commit. */
export function commitTime() {
  const given = process.env.SOURCE_DATE_EPOCH;
  return Number(given ?? run(['git', 'log', '-1', '--format=%ct'], { cwd: repository }).trim());
}

export function write(path, text, mode = 0o644) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, mode);
}

/** Every path below a folder, from it, folders before what is in them, in the order of their names. */
export function pathsBelow(folder, from = '') {
  const entries = readdirSync(join(folder, from), { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    const path = join(from, entry.name);
    return entry.isDirectory() ? [path, ...pathsBelow(folder, path)] : [path];
  });
}

/** Gives every file of a tree one time, and modes that no umask has changed. */
export function settle(folder, time) {
  for (const path of ['.', ...pathsBelow(folder)].reverse()) {
    const full = join(folder, path);
    const stat = lstatSync(full);
    if (!stat.isSymbolicLink()) chmodSync(full, stat.isDirectory() || (stat.mode & 0o100) !== 0 ? 0o755 : 0o644);
    lutimesSync(full, time, time);
  }
}
