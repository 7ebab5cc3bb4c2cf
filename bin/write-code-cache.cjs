'use strict';
// The last step of the build: runs the commands that must start fast on a home of nothing, and keeps what Node compiled for them.
const { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir, userInfo } = require('node:os');
const { join } = require('node:path');
const { writeCaches } = require('./code-cache.cjs');

const folder = mkdtempSync(join(tmpdir(), 'pgcellar-build-'));
const configuration = join(folder, 'pgcellar.conf');
mkdirSync(join(folder, 'home'));
writeFileSync(
  configuration,
  `[pgcellar]\nbarman_user = ${userInfo().username}\nbarman_home = ${join(folder, 'home')}\nlog_file = ${join(folder, 'log')}\n` +
    '[main]\ndescription = main\narchiver = on\nbackup_method = postgres\nconninfo = host=/nowhere\n',
);
const segment = '000000010000000000000001';
const commands = [
  ['list-servers'],
  ['list-backups', 'main'],
  ['show-backup', 'main', 'latest'],
  ['get-wal', 'main', segment],
  ['put-wal', '--test', 'main'],
  ['archive-wal', 'main'],
  ['status', 'main'],
  ['check', 'main'],
];
const [, , made, used] = process.argv; // where the program was made, and where it is used

writeCaches(
  join(made, 'main.cjs'),
  async ({ main }, load) => {
    for (const words of commands) {
      await main({ programName: 'pgcellar', script: join(__dirname, 'pgcellar'), argv: ['-c', configuration, ...words] });
    }
    for (const name of readdirSync(made).filter((file) => file.endsWith('.cjs'))) load(join(made, name));
  },
  used,
)
  .then(() => 0)
  .catch((error) => {
    process.stderr.write(`${error.stack}\n`);
    return 1;
  })
  .then((exitCode) => {
    rmSync(folder, { recursive: true, force: true });
    process.exit(exitCode);
  });
