'use strict';
const { join } = require('node:path');

/** Exit code of a failure that PostgreSQL must not take for a missing file (src/wal/restore-status.ts). */
const recoveryMustStop = 200;
/** As `engines` in package.json, which takes longer to read than this is worth; a test compares the two. */
const oldestNode = 20;

/** Loads the program that the build made, runs it, and leaves its exit code; `usualFailure` is that of a bug of ours. */
module.exports = (run, usualFailure) => {
  const isStrict = process.argv.includes('--strict');
  const failure = isStrict ? recoveryMustStop : usualFailure;
  if (Number.parseInt(process.versions.node, 10) < oldestNode) {
    process.stderr.write(
      `ERROR: pgcellar needs Node.js ${oldestNode} or newer, and ${process.execPath} is ${process.versions.node}\n` +
        'install a newer one before it in PATH, or the packages of pgcellar, which bring their own\n',
    );
    process.exitCode = failure;
    return;
  }
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
  const tell = (error) => process.stderr.write(`EXCEPTION: ${program.stackOf(error)}\n`);
  if (isStrict) {
    // Node itself would end with 1
    process.on('uncaughtException', (error) => {
      tell(error);
      process.exit(failure);
    });
  }
  run(program)
    .then((exitCode) => {
      process.exitCode = exitCode;
    })
    .catch((error) => {
      tell(error);
      process.exitCode = failure;
    });
};
