'use strict';
const { join } = require('node:path');
const nodeModule = require('node:module');
const { pathToFileURL } = require('node:url');

nodeModule.enableCompileCache?.();
const programName = process.env.PGCELLAR_CALLED_AS ?? 'pgcellar-wal-restore';
import(pathToFileURL(join(__dirname, '..', 'dist', 'cli', 'main.js')).href)
  .then(({ mainOfHelper }) => mainOfHelper({ programName, script: __filename, argv: process.argv.slice(2) }, 'restore'))
  .then((exitCode) => {
    process.exitCode = exitCode;
  })
  .catch((error) => {
    process.stderr.write(`EXCEPTION: ${error.stack}\n`);
    process.exitCode = 2;
  });
