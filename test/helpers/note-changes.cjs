'use strict';
// Loaded before a program (NODE_OPTIONS=--require): notes in the file NOTES what it has done to the file system, one JSON array a line:
// ["write", path], ["sync", path], ["rename", from, to], ["link", from, to], ["remove", path],
// ["make", folder] for each folder that was made.
const callbacks = require('node:fs');

const { dirname } = require('node:path');

const { promises } = callbacks;
const { appendFileSync, readlinkSync } = callbacks;
let isNoting = false;
const note = (...words) => {
  isNoting = true; // which writes, too
  appendFileSync(process.env.NOTES, `${JSON.stringify(words)}\n`);
  isNoting = false;
};
const pathOf = (descriptor) => readlinkSync(`/proc/self/fd/${descriptor}`);

function noted(object, name, what) {
  const original = object[name];
  object[name] = async function (...words) {
    const result = await original.apply(this, words);
    note(...what.call(this, words));
    return result;
  };
}

noted(promises, 'rename', ([from, to]) => ['rename', from, to]);
noted(promises, 'link', ([from, to]) => ['link', from, to]);
noted(promises, 'copyFile', ([, to]) => ['write', to]);
for (const name of ['rm', 'unlink']) noted(promises, name, ([path]) => ['remove', path]);

const { mkdir } = promises;
promises.mkdir = async function (path, options) {
  const first = await mkdir.call(this, path, options);
  const isRecursive = typeof options === 'object' && options.recursive === true;
  if (isRecursive && first === undefined) return first;
  const top = isRecursive ? first : path;
  for (let made = path; made.length >= top.length; made = dirname(made)) note('make', made);
  return first;
};

/** Changes by streams are told immediately, when they begin, which is before the changes that follow. */
for (const name of ['write', 'writev', 'writeSync']) {
  const original = callbacks[name];
  callbacks[name] = function (descriptor, ...words) {
    if (!isNoting) note('write', pathOf(descriptor));
    return original.call(this, descriptor, ...words);
  };
}

const handles = promises.open(__filename).then(async (handle) => {
  const prototype = Object.getPrototypeOf(handle);
  for (const name of ['appendFile', 'truncate', 'write', 'writeFile', 'writev'])
    noted(prototype, name, function () {
      return ['write', pathOf(this.fd)];
    });
  noted(prototype, 'sync', function () {
    return ['sync', pathOf(this.fd)];
  });
  await handle.close();
});
handles.catch((error) => {
  throw error;
});
