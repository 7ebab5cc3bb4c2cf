'use strict';
const { join } = require('node:path');

/** Loads the program that the build made, runs it, and leaves its exit code; `failure` is that of a bug of ours. */
module.exports = (run, failure) => {
  const path = join(__dirname, '..', 'dist', 'cli', 'main.cjs');
  let program;
  try {
    program = require('./code-cache.cjs').requireCompiled(path);
  } catch (error) {
    if (error.code !== 'ENOENT' || error.path !== path) throw error;
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
      process.stderr.write(`EXCEPTION: ${program.stackOf(error)}\n`);
      process.exitCode = failure;
    });
};
