'use strict';
// Loaded before a program (NODE_OPTIONS=--require): SIGKILLs it just before the first change to the file system, or the first program that it starts, whose
// words match KILL_WHEN.
const childProcess = require('node:child_process');
const { promises } = require('node:fs');

const when = new RegExp(process.env.KILL_WHEN);

function watched(object, name) {
  const original = object[name];
  object[name] = function (...words) {
    const text = [name, ...words.flat().filter((word) => typeof word === 'string')].join(' ');
    if (when.test(text)) process.kill(process.pid, 'SIGKILL');
    return original.apply(this, words);
  };
}

for (const name of ['copyFile', 'mkdir', 'open', 'rename', 'rm', 'symlink', 'writeFile']) watched(promises, name);
watched(childProcess, 'spawn');
