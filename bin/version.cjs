'use strict';
// Here and not in src, so that --version costs no more than starting Node.

const { version } = require('../package.json');

/** Release of Barman whose formats and command line we speak. */
const speaksLikeBarman = '3.20.1';

/**
 * The line of --version: clients that parse Barman's look for a dotted number in the first word, so under Barman's name that comes
 * first.
 */
function versionLine(programName) {
  if (programName === 'barman') return `${speaksLikeBarman} Barman (pgcellar ${version})`;
  if (programName.startsWith('barman-')) return `${programName} ${speaksLikeBarman} (pgcellar ${version})`;
  return `${programName} ${version}`;
}

module.exports = { version, speaksLikeBarman, versionLine };
