'use strict';
// The last step of the build: runs the commands that must start fast on a home of nothing, and keeps what Node compiled for them.
const { mkdirSync, mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir, userInfo } = require('node:os');
const { join } = require('node:path');
const { writeCache } = require('./code-cache.cjs');

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
  ['archive-wal', 'main'],
];
const write = process.stdout.write.bind(process.stdout);
process.stdout.write = () => true;
process.stderr.write = () => true;

writeCache(join(__dirname, '..', 'dist', 'cli', 'main.cjs'), async ({ main }) => {
  for (const words of commands) {
    await main({ programName: 'pgcellar', script: join(__dirname, 'pgcellar'), argv: ['-c', configuration, ...words] });
  }
})
  .then(() => 0)
  .catch((error) => {
    write(`${error.stack}\n`);
    return 1;
  })
  .then((exitCode) => {
    rmSync(folder, { recursive: true, force: true });
    process.exit(exitCode);
  });
