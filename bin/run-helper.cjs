'use strict';

/** Runs a helper that PostgreSQL calls; `script` is what it starts itself again with. */
module.exports = (helper, programName, script) => {
  const argv = process.argv.slice(2);
  if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
    process.stdout.write(`${require('./version.cjs').versionLine(programName)}\n`);
    return;
  }
  require('./load-program.cjs')((program) => program.mainOfHelper({ programName, script, argv }, helper), 2);
};
