// PostgreSQL of the machine's own suite through apt; other versions unpacked from Debian's other suites, and made to run here by
// pointing their programs at the libraries that came with them.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { downloadPackages, fillFolder, unpackPackages } from './debian-suite.mjs';
import { ensureNpmServer } from './npm-server.mjs';
import { ensurePatchelf, pointAtOwnLibraries } from './own-libraries.mjs';
import { PreparationError, runCommand, say, timed, tryCommand } from './run-command.mjs';
import { asServerUser } from './server-user.mjs';
import { ensureSystemPackages, hasCandidate, mayBecomeRoot, missingPackages, runAsRoot } from './system-packages.mjs';

const suiteOf = { 15: 'bookworm', 17: 'trixie', 18: 'forky', 19: 'experimental' };
/** Debian's way of administering clusters, which the suites ahead cannot always install, because of its Perl. */
const administration = [
  'postgresql-common',
  'postgresql-client-common',
  'ssl-cert',
  'debconf',
  'perl-base',
  'locales',
  'sensible-utils',
];
const majorForDemo = 17;
/** Grows when the way of unpacking changes: folders of another recipe are made again. */
const recipe = '1';

/** PostgreSQL `major`, from apt when the machine's suite has it, else unpacked below `cache`: `{ major, version, binDir, clientsDir }`. */
export async function ensurePostgres(major, cache) {
  const installed = `/usr/lib/postgresql/${major}/bin`;
  if (hasServer(installed)) return describe(major, installed);
  if (mayBecomeRoot() && hasCandidate(`postgresql-${major}`)) {
    await installServer(major);
    return describe(major, installed);
  }
  return await unpackServer(major, cache);
}

/**
 * A PostgreSQL server without client programs of its own, unpacked below `cache`: `clientsDir` is then that of the oldest of `others` that
 * is not older, because `pg_basebackup` and `pg_receivewal` refuse newer servers.
 */
export async function ensureServerAlone(major, cache, others) {
  const clients = others.find((other) => other.major >= major);
  if (clients === undefined) throw new PreparationError(`no client programs for PostgreSQL ${major} are on this machine`);
  return { ...describe(major, await ensureNpmServer(major, cache)), clientsDir: clients.clientsDir };
}

/**
 * Any PostgreSQL server that is installed, the newest; else the one that the machine's suite has, which is then installed; where we may not
 * install, one that is unpacked below `cache`.
 */
export async function ensureAnyPostgres(cache) {
  const [found] = installedMajors();
  if (found === undefined && !mayBecomeRoot()) {
    say(
      `no PostgreSQL and no passwordless sudo here: PostgreSQL ${majorForDemo} is unpacked into ${cache} (130 MB, about a minute)`,
    );
    return await unpackServer(majorForDemo, cache);
  }
  const major = found ?? (await installDefaultServer());
  return describe(major, `/usr/lib/postgresql/${major}/bin`);
}

function installedMajors() {
  const root = '/usr/lib/postgresql';
  if (!existsSync(root)) return [];
  const majors = readdirSync(root).filter((name) => /^\d+$/.test(name) && hasServer(join(root, name, 'bin')));
  return majors.map(Number).sort((a, b) => b - a);
}

async function installDefaultServer() {
  if (!hasCandidate('postgresql')) await ensureSystemPackages(['postgresql']); // says what to run, or why it cannot be
  const { stdout } = tryCommand(['apt-cache', 'depends', 'postgresql']);
  const major = Number(/postgresql-(\d+)/.exec(stdout)?.[1]);
  if (Number.isNaN(major)) throw new PreparationError('apt does not say which PostgreSQL its package postgresql brings');
  say(
    `no PostgreSQL here: apt installs PostgreSQL ${major} of this machine's suite (about 250 MB, a minute), without a cluster`,
  );
  await installServer(major);
  return major;
}

/** Debian creates and starts a cluster `main` with the first server package; ours must not, and the machine stays as it was. */
async function installServer(major) {
  const server = `postgresql-${major}`;
  if (missingPackages([server]).length === 0) return;
  await ensureSystemPackages(['postgresql-common']);
  const folder = '/etc/postgresql-common/createcluster.d';
  const hadFolder = existsSync(folder);
  const rule = `${folder}/pgcellar-test-machine.conf`;
  runAsRoot(['mkdir', '-p', folder]);
  runAsRoot(['tee', rule], { input: 'create_main_cluster = false\n' });
  try {
    await ensureSystemPackages([server]);
  } finally {
    runAsRoot(['rm', '-f', rule]);
    if (!hadFolder) runAsRoot(['rmdir', folder]);
  }
}

async function unpackServer(major, cache) {
  const folder = join(cache, `postgresql-${major}`);
  const binDir = join(folder, 'usr', 'lib', 'postgresql', String(major), 'bin');
  const stamp = join(folder, 'recipe');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === recipe) return describe(major, binDir);
  const suite = suiteOf[major];
  if (suite === undefined) throw new PreparationError(`no Debian suite is known to have PostgreSQL ${major}`);
  await ensurePatchelf(cache);
  await timed(`PostgreSQL ${major} from Debian ${suite}`, () =>
    fillFolder(folder, (unfinished) => fillServer({ major, suite, unfinished, folder })),
  );
  return describe(major, binDir);
}

async function fillServer({ major, suite, unfinished, folder }) {
  const download = join(unfinished, 'download');
  const server = `postgresql-${major}`;
  const ahead = suite === 'experimental' ? [server, `postgresql-client-${major}`, 'libpq5'] : [];
  const absent = suite === 'experimental' ? administration : [];
  const files = await downloadPackages({ suite, names: [server], folder: download, ahead, absent });
  unpackPackages(files.filter(isNeeded), unfinished);
  const binDir = join('usr/lib/postgresql', String(major), 'bin');
  const programs = readdirSync(join(unfinished, binDir)).map((name) => join(binDir, name));
  pointAtOwnLibraries({ root: unfinished, folder, programs });
  // with it, PostgreSQL would look for the LLVM that was left out
  runCommand(['rm', '-f', join(unfinished, 'usr/lib/postgresql', String(major), 'lib/llvmjit.so')]);
  runCommand([
    'rm',
    '-rf',
    download,
    join(unfinished, 'usr/share/doc'),
    join(unfinished, 'usr/share/man'),
    join(unfinished, 'usr/share/locale'),
  ]);
  writeFileSync(join(unfinished, 'recipe'), recipe);
}

/** Libraries and PostgreSQL itself; LLVM is most of the size and only for JIT, which PostgreSQL does without when it is missing. */
function isNeeded(file) {
  const name = basename(file);
  if (/^lib(llvm|z3-|perl|clang)|-(perl|jit)_/.test(name)) return false;
  return /^(lib|zlib|postgresql-|openssl)/.test(name);
}

function hasServer(binDir) {
  return existsSync(join(binDir, 'postgres')) && existsSync(join(binDir, 'initdb'));
}

/**
 * Asks the server for its version as the user who will run it, which also shows that he can reach it: through env(1), because
 * setpriv itself still may enter every folder when it starts its command.
 */
function describe(major, binDir) {
  const { status, stdout, stderr, reason } = tryCommand(asServerUser(['env', join(binDir, 'postgres'), '--version']), {
    cwd: '/',
  });
  if (status !== 0)
    throw new PreparationError(`${binDir}/postgres does not run as the server's user: ${reason ?? stderr.trim()}`);
  const version = /\(PostgreSQL\) (\S+)/.exec(stdout)?.[1];
  if (version === undefined) throw new PreparationError(`${binDir}/postgres does not say its version: ${stdout.trim()}`);
  say(`PostgreSQL ${version} in ${binDir}`);
  return { major, version, binDir, clientsDir: binDir };
}
