'use strict';
const { readFileSync, renameSync, writeFileSync } = require('node:fs');
const { createRequire, wrap } = require('node:module');
const { basename, dirname, join } = require('node:path');
const { Script, constants } = require('node:vm');

const lengthBytes = 4;

/**
 * Where the compiled code of a file lies: the length of its text, its text, and what V8 made of it. Comparing whole texts takes less than
 * loading anything that computes a checksum.
 */
function cachePath(path) {
  return `${path}.cache`;
}

/**
 * Requires a file, and with it those beside it that it requires, compiled already where the build left the code of exactly this text for
 * this version of V8.
 */
function requireCompiled(path) {
  return loader((file, source) => scriptOf(file, source, readCachedData(file, source)))(path);
}

/**
 * Compiles a file and those beside it that it requires, runs `use` with its exports, and keeps what was compiled up to then.
 * @param home the folder that they are used in later: compiled code knows its file
 */
async function writeCaches(path, use, home = dirname(path)) {
  const compiled = [];
  const load = loader((file, source) => {
    const script = scriptOf(join(home, basename(file)), source);
    compiled.push({ file, source, script });
    return script;
  });
  await use(load(path), load);
  for (const { file, source, script } of compiled) {
    const length = Buffer.alloc(lengthBytes);
    length.writeUInt32LE(source.length);
    writeFileSync(`${cachePath(file)}.tmp`, Buffer.concat([length, source, script.createCachedData()]));
    renameSync(`${cachePath(file)}.tmp`, cachePath(file));
  }
}

/** Requires files, each once. */
function loader(compile) {
  const modules = new Map();
  const load = (path) => {
    const known = modules.get(path);
    if (known !== undefined) return known.exports;
    const script = compile(path, readFileSync(path));
    const module = { exports: {} };
    modules.set(path, module);
    const requireElsewhere = createRequire(path);
    const requireFrom = (name) => (name.startsWith('./') ? load(join(dirname(path), name)) : requireElsewhere(name));
    script.runInThisContext()(module.exports, requireFrom, module, path, dirname(path));
    return module.exports;
  };
  return load;
}

function readCachedData(path, source) {
  try {
    const cache = readFileSync(cachePath(path));
    const end = lengthBytes + cache.readUInt32LE();
    return cache.subarray(lengthBytes, end).equals(source) ? cache.subarray(end) : undefined;
  } catch {
    return undefined; // nothing was built for it
  }
}

function scriptOf(path, source, cachedData) {
  return new Script(wrap(source.toString('latin1')), {
    filename: path,
    cachedData,
    importModuleDynamically: constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
}

module.exports = { requireCompiled, writeCaches };
