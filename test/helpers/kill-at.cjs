'use strict';
// Loaded before a program (NODE_OPTIONS=--require): SIGKILLs it just before its KILL_AT-th change to the file system.
const { promises } = require('node:fs');

const killAt = Number(process.env.KILL_AT);
let changes = 0;

function counted(object, name, isChange = () => true) {
  const original = object[name];
  object[name] = function (...words) {
    if (isChange(...words) && ++changes === killAt) process.kill(process.pid, 'SIGKILL');
    return original.apply(this, words);
  };
}

for (const name of ['mkdir', 'rename', 'rm', 'rmdir', 'truncate', 'unlink', 'utimes', 'writeFile']) counted(promises, name);
counted(promises, 'open', (_path, flags = 'r') => flags !== 'r');
const handles = promises.open(__filename).then(async (handle) => {
  const prototype = Object.getPrototypeOf(handle);
  for (const name of ['appendFile', 'sync', 'truncate', 'write', 'writeFile']) counted(prototype, name);
  await handle.close();
});
handles.catch((error) => {
  throw error;
});
