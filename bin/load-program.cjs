'use strict';
const { join } = require('node:path');

/** Loads the program that the build made, runs it, and leaves its exit code; `failure` is that of a bug of ours. */
module.exports = (run, failure) => {
  // Node 22 and newer keep compiled code on disk, which halves the time to start; where that cannot be written, it goes without.
  require('node:module').enableCompileCache?.();
  let program;
  try {
    program = require('../dist/cli/main.cjs');
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND' || !error.message.includes('main.cjs')) throw error;
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
