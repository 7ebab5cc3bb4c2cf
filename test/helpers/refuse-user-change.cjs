'use strict';
// Loaded before a program (NODE_OPTIONS=--require): Node refuses to change its user, as it does where its libuv might use io_uring.
for (const name of ['initgroups', 'setgid', 'setuid', 'setegid', 'seteuid', 'setgroups']) {
  process[name] = () => {
    const error = new Error(`${name}() disabled: io_uring may be enabled. See CVE-2024-22017.`);
    throw Object.assign(error, { code: 'ERR_INVALID_STATE' });
  };
}
