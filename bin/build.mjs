// Makes the program: dist/cli/main.cjs, the parts that it loads when a command needs them, and the compiled code of each.
// One file for everything took longer to load than most commands take to run; a file for each module would, too.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';

process.umask(0o022); // everybody runs the program, whoever builds it
const root = fileURLToPath(new URL('..', import.meta.url));
/** The oldest Node.js that the program runs on, as `package.json` says. */
const floor = /\d+/.exec(JSON.parse(readFileSync(`${root}package.json`, 'utf8')).engines.node)[0];
const main = 'src/cli/main.ts';
const commands = 'src/cli/commands/';
const command = (name) => `${commands}${name}.ts`;

/** A module belongs to the first part whose roots need it, so that a part imports at once only from those before it. */
const parts = [
  { name: 'main', roots: [main, 'src/cli/run-command-line.ts'] },
  { name: 'listing', roots: ['list-servers', 'list-backups', 'show-backup'].map(command) },
  {
    name: 'wal',
    roots: [...['get-wal', 'put-wal'].map(command), 'src/catalog/index/wal-index.ts', 'src/encryption/stored-wal.ts'],
  },
  { name: 'helpers', roots: ['src/cli/helpers/pgcellar-wal-archive.ts', 'src/cli/helpers/pgcellar-wal-restore.ts'] },
  { name: 'upkeep', roots: ['archive-wal', 'cron', 'check', 'status'].map(command) },
  { name: 'rest', roots: [] },
];

/**
 * Modules of Node that are loaded when something of them is used: many commands never do, and loading them takes long. Imports are to name
 * what they take: `* as name` and default imports load the module at once.
 */
const late = [
  'child_process',
  'crypto',
  'dgram',
  'events',
  'module',
  'net',
  'readline',
  'stream',
  'stream/promises',
  'timers/promises',
  'v8',
  'zlib',
];
const lateModules = `var require = ((load, late) => {
  const traps = (name) => ({
    get: (_, key) => load(name)[key],
    has: (_, key) => key in load(name),
    ownKeys: () => Reflect.ownKeys(load(name)),
    getOwnPropertyDescriptor: (_, key) => ({ get: () => load(name)[key], enumerable: true, configurable: true }),
  });
  return (name) => (late.has(name) ? new Proxy({}, traps(name)) : load(name));
})(require, new Set(${JSON.stringify(late.map((name) => `node:${name}`))}));`;
/** Few modules ask for it. */
const moduleUrl = `const moduleUrl = { get href() { return require('node:url').pathToFileURL(__filename).href; } };`;

const common = {
  absWorkingDir: root,
  outdir: 'dist/made',
  outExtension: { '.js': '.cjs' },
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: `node${floor}`,
  supported: { 'dynamic-import': false },
  external: ['pg', 'node-ssh', 'cron', 'tar-stream'],
  minifyWhitespace: true,
  minifyIdentifiers: true,
  sourcemap: 'external',
  sourcesContent: false,
  lineLimit: 200,
  legalComments: 'none',
  logLevel: 'warning',
  define: { 'import.meta.url': 'moduleUrl.href' },
  banner: { js: `${lateModules}\n${moduleUrl}` },
};

/** Every module of the program with what it imports, by its path from the root. */
async function readModules() {
  const { metafile } = await esbuild.build({ ...common, entryPoints: [main], metafile: true, write: false });
  return metafile.inputs;
}

/** Name of the part of each module. */
function assign(modules) {
  const partOf = new Map();
  const roots = new Set(parts.flatMap((part) => part.roots));
  const visit = (path, name) => {
    if (partOf.has(path)) return;
    partOf.set(path, name);
    for (const { path: imported, kind, external } of modules[path].imports) {
      const isBorder = kind === 'dynamic-import' && (roots.has(imported) || imported.startsWith(commands));
      if (external === true || isBorder) continue;
      visit(imported, name);
    }
  };
  for (const { name, roots: own } of parts) for (const path of own) visit(path, name);
  for (const path of Object.keys(modules)) if (!partOf.has(path)) partOf.set(path, 'rest');
  return partOf;
}

/** Lets a part take the modules of the other parts from them, so that each module is there once. */
function acrossParts(name, partOf) {
  return {
    name: 'across-parts',
    setup(build) {
      build.onResolve({ filter: /./ }, async ({ path, kind, pluginData, ...place }) => {
        if (pluginData === 'resolved' || place.namespace !== 'file' || kind === 'entry-point') return undefined;
        const found = await build.resolve(path, {
          kind,
          resolveDir: place.resolveDir,
          importer: place.importer,
          pluginData: 'resolved',
        });
        const owner = found.external ? undefined : partOf.get(relative(root, found.path));
        if (owner === undefined || owner === name) return undefined;
        return { path: relative(root, found.path), namespace: 'other-part', pluginData: owner };
      });
      build.onResolve({ filter: /^\.\/[a-z]+\.cjs$/, namespace: 'other-part' }, ({ path }) => ({ path, external: true }));
      build.onLoad({ filter: /./, namespace: 'other-part' }, ({ path, pluginData: owner }) => ({
        contents: `module.exports = require('./${owner}.cjs').modules[${JSON.stringify(path)}]();`,
      }));
    },
  };
}

async function buildPart(name, partOf) {
  const own = [...partOf].filter(([, part]) => part === name).map(([path]) => path);
  const registry = own.map((path) => `${JSON.stringify(path)}: () => require('./${path}'),`).join('\n');
  const contents = `export const modules = {\n${registry}\n};\n${name === 'main' ? `export * from './${main}';` : ''}`;
  await esbuild.build({
    ...common,
    stdin: { contents, resolveDir: root, sourcefile: `${name}.js` },
    entryNames: name,
    plugins: [acrossParts(name, partOf)],
  });
}

const [made, used, old] = ['made', 'cli', 'old'].map((name) => `${root}dist/${name}`);
const remove = (folder) => rmSync(folder, { recursive: true, force: true });
for (const folder of [made, old]) remove(folder);
const partOf = assign(await readModules());
for (const { name } of parts) await buildPart(name, partOf);
execFileSync(process.execPath, [`${root}bin/write-code-cache.cjs`, made, used, 'plain'], {
  stdio: ['ignore', 'ignore', 'pipe'],
}); // the words of its commands are of no interest
if (existsSync(used)) renameSync(used, old); // who starts in this moment finds no program: shorter than that it cannot be
renameSync(made, used);
remove(old);
