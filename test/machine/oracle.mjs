// A real Barman to compare with. It is run, never read: Barman is GPL-3.0 and nothing of its source may enter this project.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { downloadPackages, fillFolder, unpackPackages } from './debian-suite.mjs';
import { ensurePatchelf } from './own-libraries.mjs';
import { finishOwnPython } from './own-python.mjs';
import { PreparationError, runCommand, say, timed } from './run-command.mjs';

/** Grows when the way of unpacking changes: folders of another recipe are made again. */
const recipe = '1';
/** Program name to the module whose `main` it runs. */
const programs = {
  barman: 'barman.cli',
  'barman-wal-archive': 'barman.clients.walarchive',
  'barman-wal-restore': 'barman.clients.walrestore',
};
/**
 * Debian suites, each with the Barman and the Python that it has: no Barman runs with every Python, the newer ones lack modules that the
 * older ones import.
 */
const packages = ['python3-barman', 'barman', 'barman-cli', 'python3-psycopg2', 'python3-dateutil', 'python3-argcomplete'];
const packagesOf = {
  bookworm: packages,
  trixie: packages,
  forky: [...packages, 'barman-cli-cloud', 'python3-boto3'],
};

/** The Barman that we are compared with: `{ version, program }`. */
export async function ensureOracle(cache) {
  return describe(await ensureBarman('forky', cache), 'the oracle');
}

/** A Barman of some releases before, for homes as it writes them: `{ version, program }`. */
export async function ensureOlderBarman(cache) {
  return describe(await ensureBarman('trixie', cache), 'for older homes');
}

/** An older Barman, as many database hosts still have it: `{ version, folder }`, the folder of its WAL helpers and of a `barman` for what they talk to. */
export async function ensureOlderHelpers(cache) {
  const folder = await ensureBarman('bookworm', cache);
  const program = join(folder, 'bin', 'barman-wal-archive');
  const version = versionIn(runCommand([program, '--version']), /(\d+\.\d+\S*)\s*$/, program);
  say(`helpers of Barman ${version} in ${join(folder, 'bin')}`);
  return { version, folder: join(folder, 'bin') };
}

function describe(folder, purpose) {
  const program = join(folder, 'bin', 'barman');
  const version = versionIn(runCommand([program, '--version']), /^(\S+) Barman/m, program);
  say(`Barman ${version}, ${purpose}, in ${program}`);
  return { version, program };
}

function versionIn(text, pattern, program) {
  const version = pattern.exec(text)?.[1];
  if (version === undefined) throw new PreparationError(`${program} --version does not say a version`);
  return version;
}

async function ensureBarman(suite, cache) {
  const folder = join(cache, `barman-of-${suite}`);
  const stamp = join(folder, 'recipe');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === recipe) return folder;
  await ensurePatchelf(cache);
  await timed(`Barman from Debian ${suite}`, () =>
    fillFolder(folder, async (unfinished) => {
      await fillBarman({ unfinished, suite, folder });
      writeFileSync(join(unfinished, 'recipe'), recipe);
    }),
  );
  return folder;
}

async function fillBarman({ unfinished, suite, folder }) {
  const download = join(unfinished, 'download');
  const files = await downloadPackages({ suite, names: packagesOf[suite], folder: download });
  unpackPackages(files.filter(isNeeded), unfinished);
  runCommand(['rm', '-rf', download, ...['usr/share', 'etc', 'var'].map((name) => join(unfinished, name))]);
  finishOwnPython({ root: unfinished, folder, launchers: programs });
}

/** Libraries, Python and Barman itself; what only a whole system needs stays away. */
function isNeeded(file) {
  return /^(lib|zlib|python3|barman|openssl|tzdata)/.test(basename(file)) && !/^libsystemd-shared/.test(basename(file));
}
