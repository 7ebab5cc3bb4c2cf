// The program as it is installed: bin, the built parts, and those files of npm packages that it loads.
import { chmodSync, cpSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as esbuild from 'esbuild';
import { packageOf, repository, run, write } from './surroundings.mjs';

/** Files of bin that only a build needs. */
const forBuilds = new Set(['build.mjs', 'write-code-cache.cjs']);
/** Loaded where they are, which they are not. */
const optional = ['pg-native', 'pg-cloudflare', 'cpu-features'];
const places = { deb: '/usr/lib/pgcellar', archive: '.' };

/**
 * Lays the program into a folder.
 * @param start how its programs find Node: the first line of a script of Node, and the word that a shell script has for it
 */
export function layProgram(folder, { version, runtime }, { shebang, nodeInShell }) {
  const { name, license, type, engines } = packageOf(repository);
  write(join(folder, 'package.json'), `${JSON.stringify({ name, version, license, type, engines }, null, 2)}\n`);
  for (const file of readdirSync(join(repository, 'bin'))) {
    if (!forBuilds.has(file)) layScript(join(repository, 'bin', file), join(folder, 'bin', file), { shebang, nodeInShell });
  }
  for (const file of readdirSync(join(repository, 'dist', 'cli'))) {
    if (!file.endsWith('.cache')) write(join(folder, 'dist', 'cli', file), readFileSync(join(repository, 'dist', 'cli', file)));
  }
  for (const file of filesOfDependencies()) {
    cpSync(join(repository, file), join(folder, file));
    chmodSync(join(folder, file), 0o644);
  }
  const used = join(places.deb, 'dist', 'cli');
  run([runtime.node, join(repository, 'bin', 'write-code-cache.cjs'), join(folder, 'dist', 'cli'), used]);
}

function layScript(from, to, { shebang, nodeInShell }) {
  const text = readFileSync(from, 'utf8');
  const isProgram = text.startsWith('#!');
  const placed = text.replace(/^#!\/usr\/bin\/env node\n/, shebang).replaceAll(' node "', ` ${nodeInShell} "`);
  write(to, placed, isProgram ? 0o755 : 0o644);
}

/** Every file of the npm packages that the program loads, with the package.json of each. */
function filesOfDependencies() {
  const { outputFiles: _, metafile } = esbuild.buildSync({
    stdin: {
      contents: externals()
        .map((name) => `require(${JSON.stringify(name)});`)
        .join('\n'),
      resolveDir: repository,
    },
    absWorkingDir: repository,
    bundle: true,
    platform: 'node',
    write: false,
    outdir: 'unused',
    metafile: true,
    logLevel: 'error',
    external: optional,
  });
  const files = Object.keys(metafile.inputs).filter((path) => path.startsWith('node_modules/'));
  const packages = new Set(files.map((path) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)[0]));
  return [...files, ...[...packages].map((path) => join(path, 'package.json'))].sort();
}

/** The npm packages that the build leaves outside: what the built parts require by a bare name. */
function externals() {
  const wanted = Object.keys(packageOf(repository).dependencies);
  const texts = readdirSync(join(repository, 'dist', 'cli'))
    .filter((file) => file.endsWith('.cjs'))
    .map((file) => readFileSync(join(repository, 'dist', 'cli', file), 'utf8'));
  return wanted.filter((name) => texts.some((text) => text.includes(`"${name}"`) || text.includes(`'${name}'`)));
}

/** Each npm package whose code is in the program, with its licence. */
export function licencesOf(folder) {
  const bundled = ['commander'].map((name) => join(repository, 'node_modules', name));
  const laid = packagesIn(join(folder, 'node_modules')).map((name) => join(repository, 'node_modules', name));
  return [...bundled, ...laid].sort().map((path) => {
    const { name, version, license, author } = packageOf(path);
    const file = readdirSync(path).find((entry) => /^licen[cs]e/i.test(entry));
    const words = file === undefined ? undefined : readFileSync(join(path, file), 'utf8');
    return { name, version, license, author: authorOf(author), text: words };
  });
}

function packagesIn(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((name) =>
    name.startsWith('@') ? readdirSync(join(folder, name)).map((inner) => `${name}/${inner}`) : [name],
  );
}

function authorOf(author) {
  if (author === undefined) return undefined;
  return typeof author === 'string' ? author : [author.name, author.email && `<${author.email}>`].filter(Boolean).join(' ');
}
