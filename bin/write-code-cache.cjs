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
const segment = '000000010000000000000002';
writeCatalog(join(folder, 'home', 'main'));
const quickCommands = [
  ['list-servers'],
  ['list-backups', 'main'],
  ['list-backups', 'main'], // now the ledger is there
  ['show-backup', 'main', 'latest'],
  ['get-wal', 'main', segment],
];
const otherCommands = [
  ['put-wal', '--test', 'main'],
  ['archive-wal', 'main'],
  ['status', 'main'],
  ['check', 'main'],
];
const [, , made, used] = process.argv; // where the program was made, and where it is used

/** A backup and its segment. */
function writeCatalog(root) {
  const id = '20240301T020000';
  const record = {
    backup_label: "'START WAL LOCATION: 0/2000028 (file 000000010000000000000002)'",
    begin_offset: 40,
    begin_time: '2024-03-01 02:00:00+00:00',
    begin_wal: segment,
    begin_xlog: '0/2000028',
    end_offset: 256,
    end_time: '2024-03-01 02:00:10.123456+00:00',
    end_wal: segment,
    end_xlog: '0/2000100',
    mode: 'postgres',
    pgdata: '/data',
    server_name: 'main',
    size: 24000000,
    status: 'DONE',
    systemid: '7000000000000000001',
    tablespaces: "[('fast', 16387, '/fast')]",
    timeline: 1,
    version: 150018,
    xlog_segment_size: 16777216,
  };
  for (const name of [`base/${id}/data`, 'meta', `wals/${segment.slice(0, 16)}`])
    mkdirSync(join(root, name), { recursive: true });
  const lines = Object.entries(record).map(([key, value]) => `${key}=${value}\n`);
  writeFileSync(join(root, 'meta', `${id}-backup.info`), lines.join(''));
  writeFileSync(join(root, 'wals', 'main-xlog.db'), `${segment}\t16777216\t1709258400.0\tNone\n`);
  writeFileSync(join(root, 'wals', segment.slice(0, 16), segment), Buffer.alloc(1024));
}

writeCaches(
  join(made, 'main.cjs'),
  async ({ main }, { load, keep }) => {
    const run = async (words) => {
      await main({ programName: 'pgcellar', script: join(__dirname, 'pgcellar'), argv: ['-c', configuration, ...words] });
    };
    for (const words of quickCommands) await run(words);
    keep(); // for these each millisecond counts, and what only others need of the same parts would take some to read
    for (const words of otherCommands) await run(words);
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
