// Makes this machine ready: npm packages, the build, system packages, PostgreSQL 11 to 19, a real Barman and older ones,
// repmgr and Patroni.
//   node test/machine/prepare.mjs [--for demo|test]
// Plain JavaScript that imports nothing but Node: it runs before `npm ci`. Every step is done once and can be repeated at any time.
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ensureBuild } from './build.mjs';
import { cacheFolder, machineFile } from './cache-folder.mjs';
import { ensureClusterManagers } from './cluster-managers.mjs';
import { withMachineLock } from './machine-lock.mjs';
import { ensureNode, nodeReleases } from './node-releases.mjs';
import { ensureNpmPackages } from './npm-packages.mjs';
import { ensureOlderBarman, ensureOlderHelpers, ensureOracle } from './oracle.mjs';
import { ensureAnyPostgres, ensurePostgres, ensureServerAlone } from './postgres.mjs';
import { PreparationError, say } from './run-command.mjs';
import { ensureSystemPackages, missingPackages } from './system-packages.mjs';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const programsForDemo = ['util-linux'];
const programsForTests = [
  ...programsForDemo,
  ...[
    'rsync',
    'openssh-server',
    'openssh-client',
    'gnupg',
    'zstd',
    'lz4',
    'xz-utils',
    'bzip2',
    'pigz',
    'gzip',
    'libsnappy1v5',
    'tzdata',
    'procps',
    'file', // Barman asks it what a segment is
    'iproute2',
    'zsh',
    'fish',
    'man-db',
    'groff',
    'mandoc',
    'logrotate',
    'python3',
    'systemd',
    'pgbouncer',
    'binutils',
  ],
];
const testedMajors = [15, 17, 18];
/** Older and between: servers alone, backed up and restored with the clients of a newer one. */
const serversAlone = [11, 13, 14, 16];
/** Not released yet; a machine may lack them. */
const majorsAhead = [19];

/** What `npm run demo` needs; gives the PostgreSQL to use, `{ major, version, binDir }`. Ends the process with 2 when it cannot. */
export async function prepareForDemo() {
  return await orEnd(async () => {
    return await withMachineLock(cacheFolder(), async () => {
      await ensureSystemPackages(programsForDemo);
      const postgres = await ensureAnyPostgres(cacheFolder());
      await prepareRepository();
      return postgres;
    });
  });
}

/**
 * What `npm test` needs; gives the machine's description, which is also left in `machineFile()`. A part that cannot be had is
 * listed in `missing`; a missing system package that we may not install ends the process with 2.
 */
export async function prepareForTest() {
  return await orEnd(async () => {
    return await withMachineLock(cacheFolder(), async () => {
      const machine = await prepareMachine();
      await prepareRepository();
      return machine;
    });
  });
}

/** The npm packages alone, enough for tests of pure code. */
export async function preparePackages() {
  return await orEnd(() => withMachineLock(cacheFolder(), () => ensureNpmPackages(repository)));
}

async function prepareRepository() {
  await ensureNpmPackages(repository);
  await ensureBuild(repository);
}

async function prepareMachine() {
  announce(missingPackages(programsForTests));
  await ensureSystemPackages(programsForTests);
  const missing = [];
  const postgres = [];
  for (const major of testedMajors) {
    const found = await orMissing(`PostgreSQL ${major}`, missing, () => ensurePostgres(major, cacheFolder()));
    if (found !== undefined) postgres.push(found);
  }
  for (const major of majorsAhead) {
    const unreleased = [];
    const found = await orMissing(`PostgreSQL ${major}`, unreleased, () => ensurePostgres(major, cacheFolder()));
    missing.push(...unreleased.map((part) => ({ ...part, isAhead: true })));
    if (found !== undefined) postgres.push(found);
  }
  const complete = postgres.filter(({ major }) => testedMajors.includes(major));
  for (const major of serversAlone) {
    const found = await orMissing(`PostgreSQL ${major}`, missing, () => ensureServerAlone(major, cacheFolder(), complete));
    if (found !== undefined) postgres.push(found);
  }
  postgres.sort((one, other) => one.major - other.major);
  const nodes = [];
  for (const version of nodeReleases) {
    const found = await orMissing(`Node.js ${version}`, missing, () => ensureNode(version, cacheFolder()));
    if (found !== undefined) nodes.push(found);
  }
  const oracle = await orMissing('Barman', missing, () => ensureOracle(cacheFolder()));
  const olderBarman = await orMissing('an older Barman', missing, () => ensureOlderBarman(cacheFolder()));
  const olderHelpers = await orMissing('older helpers of Barman', missing, () => ensureOlderHelpers(cacheFolder()));
  const managers = await orMissing('repmgr and Patroni', missing, () => ensureClusterManagers(cacheFolder()));
  const machine = {
    postgres,
    nodes,
    ...(oracle && { oracle }),
    ...(olderBarman && { olderBarman }),
    ...(olderHelpers && { olderHelpers }),
    ...(managers && { managers }),
    missing,
  };
  writeMachineFile(machine);
  return machine;
}

/** Says beforehand what will be had from where; the sizes and times are those of a fresh Debian 13 on two cores. */
function announce(packages) {
  if (packages.length === 0 && existsSync(machineFile())) return;
  const lines = [
    'npm test sets this machine up first; the next run finds that:',
    ...(packages.length === 0 ? [] : [`  from apt, as root or through sudo, about 1 GB: ${packages.join(' ')}`]),
    `  unpacked into ${cacheFolder()}, about 1.9 GB, nothing of it is installed: PostgreSQL 11 to 19, three releases of Barman and of Node.js, repmgr, Patroni`,
    `  into node_modules, about 270 MB: what package-lock.json says`,
    'That takes 5 to 15 minutes, the tests about 25 more. npm run test:unit needs node_modules alone, and takes 2.',
  ];
  for (const line of lines) say(line);
}

async function orMissing(part, missing, step) {
  try {
    return await step();
  } catch (error) {
    if (!(error instanceof PreparationError)) throw error;
    say(`${part} is missing: ${error.message}`);
    missing.push({ part, reason: error.message });
    return undefined;
  }
}

function writeMachineFile(machine) {
  mkdirSync(cacheFolder(), { recursive: true, mode: 0o755 });
  const temporary = `${machineFile()}.unfinished`;
  writeFileSync(temporary, `${JSON.stringify(machine, null, 2)}\n`);
  renameSync(temporary, machineFile());
}

async function orEnd(work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof PreparationError)) throw error;
    console.error(error.message);
    process.exit(2);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [flag, purpose] = process.argv.slice(2);
  if (flag !== undefined && (flag !== '--for' || !['demo', 'test'].includes(purpose))) {
    console.error('usage: node test/machine/prepare.mjs [--for demo|test]');
    process.exit(2);
  }
  await (purpose === 'demo' ? prepareForDemo() : prepareForTest());
}
