// Programs of a newer Debian suite, unpacked into a folder, and the libraries and the dynamic loader that came with them.
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname, isAbsolute, join, relative } from 'node:path';
import { downloadPackages, fillFolder, unpackPackages } from './debian-suite.mjs';
import { PreparationError, runCommand } from './run-command.mjs';

/**
 * Puts a patchelf(1) of our own first in our PATH, unpacked below `cache`: that of Debian 13 and newer (0.18) makes programs that crash,
 * a Python for one, and nothing need be installed this way.
 */
export async function ensurePatchelf(cache) {
  const folder = join(cache, 'patchelf');
  const programs = join(folder, 'usr', 'bin');
  if (!existsSync(join(programs, 'patchelf'))) {
    await fillFolder(folder, async (unfinished) => {
      const download = join(unfinished, 'download');
      const wanted = { suite: 'bookworm', names: ['patchelf'], folder: download, withDependencies: false };
      unpackPackages(await downloadPackages(wanted), unfinished);
      runCommand(['rm', '-rf', download]);
    });
  }
  if (!process.env.PATH.startsWith(`${programs}:`)) process.env.PATH = `${programs}:${process.env.PATH}`;
}

/**
 * Points each of `programs` (paths below `root`) at the loader and the libraries below `root`, as they will be found when `root` has
 * been moved to `folder`. What is not an ELF program stays as it is.
 */
export function pointAtOwnLibraries({ root, folder, programs }) {
  const libraryFolders = ['usr/lib', 'lib'].flatMap((parent) => multiarchFolders(root, parent));
  const loaders = ['usr/lib64', 'lib64', ...libraryFolders].flatMap((parent) => loadersIn(root, parent));
  if (loaders[0] === undefined) throw new PreparationError(`${folder} came without a dynamic loader`);
  const loader = join(folder, resolveInside(root, loaders[0]));
  const rpath = libraryFolders.map((path) => join(folder, path)).join(':');
  for (const program of programs.map((path) => join(root, path)).filter(isElf)) {
    runCommand(['patchelf', '--set-interpreter', loader, '--force-rpath', '--set-rpath', rpath, program]);
  }
}

/**
 * Where `path` leads, below `root`: an absolute link of a package means a place in `root`, and not the one of this machine, whose
 * loader may be an older one.
 */
function resolveInside(root, path) {
  let found = path;
  for (let links = 0; lstatSync(join(root, found)).isSymbolicLink(); links += 1) {
    if (links > 20) throw new PreparationError(`${join(root, path)} is a link that leads nowhere`);
    const target = readlinkSync(join(root, found));
    const inside = join('/', isAbsolute(target) ? target : join(dirname(found), target)); // never above the root
    found = withRealFolders(root, relative('/', inside));
    if (!existsSync(join(root, dirname(found)))) throw new PreparationError(`${join(root, path)} leads out of its folder`);
  }
  return found;
}

/** `/lib` and `/lib64` are links of an installed system, which packages of the newer suites no longer bring. */
function withRealFolders(root, path) {
  return existsSync(join(root, dirname(path))) ? path : join('usr', path);
}

function multiarchFolders(root, parent) {
  const path = join(root, parent);
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .filter((entry) => /-linux-gnu/.test(entry))
    .map((entry) => join(parent, entry));
}

function loadersIn(root, parent) {
  const path = join(root, parent);
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .filter((name) => /^ld-linux.*\.so\.\d+$|^ld64\.so/.test(name))
    .map((name) => join(parent, name));
}

function isElf(path) {
  return readFileSync(path).subarray(0, 4).toString('latin1') === '\x7fELF';
}
