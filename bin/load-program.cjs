'use strict';
const { join } = require('node:path');

/** Loads the program that the build made, runs it, and leaves its exit code; `failure` is that of a bug of ours. */
module.exports = (run, failure) => {
  const path = join(__dirname, '..', 'dist', 'cli', 'main.cjs');
  // Node 22 and newer keep compiled code on disk, which halves the time to start; where that cannot be written, it goes without.
  const { enableCompileCache } = require('node:module');
  enableCompileCache?.();
  let program;
  try {
    program = enableCompileCache === undefined ? require('./code-cache.cjs').requireCompiled(path) : require(path);
  } catch (error) {
    if (!['ENOENT', 'MODULE_NOT_FOUND'].includes(error.code) || !error.message.includes('main.cjs')) throw error;
    process.stderr.write(
      `ERROR: pgcellar is not built: run npm ci --ignore-scripts && npm run build in ${join(__dirname, '..')}\n`,
    );
    process.exitCode = failure;
    return;
  }
  run(program)
    .then((exitCode) => {
      process.exitCode = exitCode;
    })
    .catch((error) => {
      process.stderr.write(`EXCEPTION: ${error.stack}\n`);
      process.exitCode = failure;
    });
};
