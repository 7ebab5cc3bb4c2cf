'use strict';
const { join } = require('node:path');

/** Runs a helper that PostgreSQL calls; `script` is what it starts itself again with. */
module.exports = (helper, programName, script) => {
  const argv = process.argv.slice(2);
  if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
    process.stdout.write(`${require('./version.cjs').versionLine(programName)}\n`);
    return;
  }
  require('node:module').enableCompileCache?.();
  import(require('node:url').pathToFileURL(join(__dirname, '..', 'dist', 'cli', 'main.js')).href)
    .then(({ mainOfHelper }) => mainOfHelper({ programName, script, argv }, helper))
    .then((exitCode) => {
      process.exitCode = exitCode;
    })
    .catch((error) => {
      process.stderr.write(`EXCEPTION: ${error.stack}\n`);
      process.exitCode = 2;
    });
};
