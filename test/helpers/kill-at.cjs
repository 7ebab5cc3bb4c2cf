'use strict';
// Loaded before a program (NODE_OPTIONS=--require): SIGKILLs it just before its KILL_AT-th change to the file system or start of a
// program, or just after such a start, while the program works. KILL_IN=attendant spares all but the process that answers restore_command.
const childProcess = require('node:child_process');
const callbacks = require('node:fs');

const { promises } = callbacks;
const isAttendant = process.env.PGCELLAR_ATTEND !== undefined;
const isMeant = (process.env.KILL_IN === 'attendant') === isAttendant;
const killAt = isMeant ? Number(process.env.KILL_AT) : Number.NaN;
let changes = 0;

function step() {
  if (++changes === killAt) process.kill(process.pid, 'SIGKILL');
}

function counted(object, name, isChange = () => true) {
  const original = object[name];
  object[name] = function (...words) {
    if (isChange(...words)) step();
    return original.apply(this, words);
  };
}

const writes = (_path, flags = 'r') => flags !== 'r';
const changing = [
  'chmod',
  'copyFile',
  'cp',
  'link',
  'mkdir',
  'mkdtemp',
  'rename',
  'rm',
  'rmdir',
  'symlink',
  'truncate',
  'unlink',
  'utimes',
];
for (const name of [...changing, 'writeFile']) counted(promises, name);
counted(promises, 'open', writes);
// streams and what has to be done immediately
for (const name of ['renameSync', 'writeFileSync']) counted(callbacks, name);
counted(callbacks, 'openSync', writes);
// in a long row of writes to one file, more and more are skipped: one is like the next
let [row, written] = [0, -1];
const isNews = (descriptor) => {
  row = descriptor === written ? row + 1 : 1;
  written = descriptor;
  return (row & (row - 1)) === 0;
};
for (const name of ['write', 'writev', 'writeSync']) counted(callbacks, name, isNews);
counted(callbacks, 'open', writes);
const handles = promises.open(__filename).then(async (handle) => {
  const prototype = Object.getPrototypeOf(handle);
  for (const name of ['appendFile', 'sync', 'truncate', 'write', 'writeFile']) counted(prototype, name);
  await handle.close();
});
handles.catch((error) => {
  throw error;
});
const { spawn } = childProcess;
childProcess.spawn = function (...words) {
  step();
  const child = spawn.apply(this, words);
  child.once('spawn', step);
  return child;
};
