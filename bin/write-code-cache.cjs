'use strict';
// The last step of the build: runs the commands that must start fast on a home of nothing, and keeps what Node compiled for them.
//   node bin/write-code-cache.cjs MADE USED [plain]     the folder with the program, and the one that it is used in
// Without `plain`, which is faster, two runs write the same bytes: V8 runs with one thread and fixed seeds. The mark of these settings in each file is then replaced by that
// of a plain run, because V8 refuses code of other settings; these ones change no code. A collection of garbage at another moment still
// leaves a few other bytes, so that of several runs the bytes count that came twice.
const { execFileSync } = require('node:child_process');
const { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } = require('node:fs');
const { tmpdir, userInfo } = require('node:os');
const { join } = require('node:path');
const { areAccepted, plainSettings, writeCaches } = require('./code-cache.cjs');

const [, , made, used, settings] = process.argv;
const repeatable = ['--predictable', '--hash-seed=1', '--random-seed=1', '--no-flush-bytecode'];
const paths = () => readdirSync(made).filter((file) => file.endsWith('.cjs'));

if (settings === undefined) {
  const settled = new Map();
  const again = (flags, words) =>
    execFileSync(process.execPath, [...flags, __filename, made, used, ...words], { stdio: ['ignore', 'ignore', 'pipe'] });
  const write = () => again(repeatable, [String(plainSettings())]);
  const cacheOf = (name) => join(made, `${name}.cache`);
  const seen = new Map(paths().map((name) => [name, []]));
  for (let runs = 0; seen.size > 0 && runs < 6; runs += 1) {
    write();
    for (const [name, before] of seen) {
      const bytes = readFileSync(cacheOf(name));
      if (before.some((other) => other.equals(bytes))) settled.set(name, bytes);
      if (settled.has(name)) seen.delete(name);
      else before.push(bytes);
    }
  }
  for (const [name, bytes] of settled) writeFileSync(cacheOf(name), bytes);
  if (!areAccepted(paths().map((name) => join(made, name)))) again([], ['plain']); // a V8 that knows other settings
  process.exit();
}

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
  ...(settings === 'plain' ? [['check', 'main']] : []), // what it compiles depends on how fast programs answer
];

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
  const page = Buffer.alloc(40);
  page.writeUInt16LE(0xd110, 0);
  page.writeUInt16LE(2, 2);
  page.writeUInt32LE(1, 4);
  page.writeBigUInt64LE(0x2000000n, 8);
  page.writeBigUInt64LE(BigInt(record.systemid), 24);
  page.writeUInt32LE(record.xlog_segment_size, 32);
  const path = join(root, 'wals', segment.slice(0, 16), segment);
  writeFileSync(path, page);
  truncateSync(path, record.xlog_segment_size);
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
    for (const name of paths()) load(join(made, name));
  },
  { home: used, settings: settings === 'plain' ? undefined : Number(settings) },
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
