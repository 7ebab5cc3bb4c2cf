'use strict';
const { readFileSync, renameSync, writeFileSync } = require('node:fs');
const { createRequire, wrap } = require('node:module');
const { dirname } = require('node:path');
const { Script, constants } = require('node:vm');
const { crc32 } = require('node:zlib');

const headBytes = 4;

/** Where the compiled code of a program lies: it is made by the build, and belongs to exactly this text and this Node. */
function cachePath(path) {
  return `${path}.cache`;
}

/**
 * Runs a module, compiled already when the build left its code for this Node; V8 refuses that of another version, and the checksum that
 * of another text.
 */
function requireCompiled(path) {
  const cached = readCache(path);
  return cached === undefined ? require(path) : run(path, scriptOf(path, cached)).exports;
}

/** Compiles a module, runs `use` with it, and keeps what was compiled up to then. */
async function writeCache(path, use) {
  const source = readFileSync(path);
  const script = scriptOf(path, { source });
  await use(run(path, script).exports);
  const head = Buffer.alloc(headBytes);
  head.writeUInt32LE(crc32(source));
  writeFileSync(`${cachePath(path)}.tmp`, Buffer.concat([head, script.createCachedData()]));
  renameSync(`${cachePath(path)}.tmp`, cachePath(path));
}

function readCache(path) {
  if (crc32 === undefined) return undefined; // Node before 20.15
  try {
    const cache = readFileSync(cachePath(path));
    const source = readFileSync(path);
    return cache.readUInt32LE() === crc32(source) ? { source, cachedData: cache.subarray(headBytes) } : undefined;
  } catch {
    return undefined; // nothing was built for it, and require says what is missing
  }
}

function scriptOf(path, { source, cachedData }) {
  return new Script(wrap(source.toString('latin1')), {
    filename: path,
    cachedData,
    importModuleDynamically: constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
}

function run(path, script) {
  const module = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(path), module, path, dirname(path));
  return module;
}

module.exports = { requireCompiled, writeCache };
