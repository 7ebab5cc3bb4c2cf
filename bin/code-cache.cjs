'use strict';
const { readFileSync, renameSync, writeFileSync } = require('node:fs');
const { basename, dirname, join } = require('node:path');
const { Script } = require('node:vm');

const lengthBytes = 4;
/** Where V8 keeps the mark of its settings in compiled code (SerializedCodeData). */
const settingsOffset = 12;
const head = Buffer.from('(function (exports, require, module, __filename, __dirname) { ');
const tail = Buffer.from('\n});');

/**
 * Where the compiled code of a file lies: the length of the function that its text is made, that function, and what V8 made of it.
 * Comparing whole texts takes less than loading anything that computes a checksum, and joining strings takes longer than joining bytes.
 */
function cachePath(path) {
  return `${path}.cache`;
}

/**
 * Requires a file, and with it those beside it that it requires, compiled already where the build left the code of exactly this text for
 * this version of V8.
 */
function requireCompiled(path) {
  return loader((file, text) => {
    const cache = readCache(file, text);
    return cache === undefined ? scriptOf(file, asFunction(text)) : scriptOf(file, cache.source, cache.compiled);
  })(path);
}

/**
 * Compiles a file and those beside it that it requires, runs `use` with its exports, and keeps what was compiled up to then; `keep` does
 * that for those that are loaded by now, so that what runs later is not in theirs.
 * @param home the folder that they are used in later: compiled code knows its file
 * @param settings mark of V8's settings to write in place of the one of this process
 */
async function writeCaches(path, use, { home = dirname(path), settings } = {}) {
  const waiting = new Map();
  const load = loader((file, text) => {
    const source = asFunction(text);
    const script = scriptOf(join(home, basename(file)), source);
    waiting.set(file, { source, script });
    return script;
  });
  const keep = () => {
    for (const [file, { source, script }] of waiting) {
      const length = Buffer.alloc(lengthBytes);
      length.writeUInt32LE(source.length);
      const compiled = script.createCachedData();
      if (settings !== undefined) compiled.writeUInt32LE(settings, settingsOffset);
      writeFileSync(`${cachePath(file)}.tmp`, Buffer.concat([length, source, compiled]));
      renameSync(`${cachePath(file)}.tmp`, cachePath(file));
      waiting.delete(file);
    }
  };
  await use(load(path), { load, keep });
  keep();
}

/** Requires files, each once; what is not beside them as this file would. */
function loader(compile) {
  const modules = new Map();
  const load = (path) => {
    const known = modules.get(path);
    if (known !== undefined) return known.exports;
    const script = compile(path, readFileSync(path));
    const module = { exports: {} };
    modules.set(path, module);
    const requireFrom = (name) => (name.startsWith('./') ? load(join(dirname(path), name)) : require(name));
    script.runInThisContext()(module.exports, requireFrom, module, path, dirname(path));
    return module.exports;
  };
  return load;
}

function asFunction(text) {
  return Buffer.concat([head, text, tail]);
}

/** Undefined when nothing was built for exactly this text. */
function readCache(path, text) {
  let cache;
  try {
    cache = readFileSync(cachePath(path));
  } catch {
    return undefined;
  }
  const end = cache.length < lengthBytes ? 0 : lengthBytes + cache.readUInt32LE();
  const source = cache.subarray(lengthBytes, end);
  if (source.length !== head.length + text.length + tail.length) return undefined;
  if (source.compare(text, 0, text.length, head.length, head.length + text.length) !== 0) return undefined;
  return { source, compiled: cache.subarray(end) };
}

function scriptOf(path, source, cachedData) {
  return new Script(source.toString('latin1'), { filename: path, cachedData });
}

/** The mark of the settings that V8 has in this process. */
function plainSettings() {
  return new Script('').createCachedData().readUInt32LE(settingsOffset);
}

/** Whether V8 takes, in this process, the compiled code of each file. */
function areAccepted(paths) {
  return paths.every((path) => {
    const cache = readCache(path, readFileSync(path));
    return cache !== undefined && !scriptOf(path, cache.source, cache.compiled).cachedDataRejected;
  });
}

module.exports = { areAccepted, plainSettings, requireCompiled, writeCaches };
