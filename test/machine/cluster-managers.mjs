// repmgr and Patroni with its etcd, and the PostgreSQL that they manage: those of one Debian suite, on every machine the same.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { downloadPackages, fillFolder, unpackPackages } from './debian-suite.mjs';
import { ensurePatchelf, pointAtOwnLibraries } from './own-libraries.mjs';
import { finishOwnPython } from './own-python.mjs';
import { PreparationError, runCommand, say, timed } from './run-command.mjs';

/** Grows when the way of unpacking changes: a folder of another recipe is made again. */
const recipe = '1';
const suite = 'bookworm';
const major = 15;
const packages = [
  `postgresql-${major}-repmgr`,
  'repmgr-common',
  'patroni',
  'python3-psycopg2',
  'python3-etcd',
  'python3-cdiff',
  'etcd-server',
];
const binDir = `usr/lib/postgresql/${major}/bin`;

/** `{ postgres, repmgr, repmgrd, patroni, etcd }`: a PostgreSQL, and the paths of programs. */
export async function ensureClusterManagers(cache) {
  const folder = join(cache, 'cluster-managers');
  const stamp = join(folder, 'recipe');
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== recipe) {
    await ensurePatchelf(cache);
    await timed(`repmgr, Patroni and etcd from Debian ${suite}`, () =>
      fillFolder(folder, async (unfinished) => {
        await fillManagers({ unfinished, folder });
        writeFileSync(join(unfinished, 'recipe'), recipe);
      }),
    );
  }
  return describe(folder);
}

async function fillManagers({ unfinished, folder }) {
  const download = join(unfinished, 'download');
  const files = await downloadPackages({ suite, names: packages, folder: download });
  unpackPackages(files.filter(isNeeded), unfinished);
  const programs = [...readdirSync(join(unfinished, binDir)).map((name) => join(binDir, name)), 'usr/bin/etcd'];
  pointAtOwnLibraries({ root: unfinished, folder, programs });
  // with it, PostgreSQL would look for the LLVM that was left out
  runCommand(['rm', '-f', join(unfinished, 'usr/lib/postgresql', String(major), 'lib/llvmjit.so')]);
  const unused = [
    download,
    ...['usr/share/doc', 'usr/share/man', 'usr/share/locale', 'etc', 'var'].map((name) => join(unfinished, name)),
  ];
  runCommand(['rm', '-rf', ...unused]);
  finishOwnPython({ root: unfinished, folder, launchers: { patroni: 'patroni.__main__' } });
}

/** Libraries, Python, PostgreSQL and the managers; LLVM is most of the size and only for JIT. */
function isNeeded(file) {
  const name = basename(file);
  if (/^lib(llvm|z3-|perl|clang)|-(perl|jit)_|^libsystemd-shared/.test(name)) return false;
  return /^(lib|zlib|openssl|postgresql-15|postgresql-client-15|repmgr|patroni|python3|etcd|tzdata)/.test(name);
}

function describe(folder) {
  const bin = join(folder, binDir);
  const versions = {
    version: versionIn([join(bin, 'postgres'), '--version'], /\(PostgreSQL\) (\S+)/),
    repmgrVersion: versionIn([join(bin, 'repmgr'), '--version'], /repmgr (\S+)/),
    patroniVersion: versionIn([join(folder, 'bin', 'patroni'), '--version'], /patroni (\S+)/),
    etcdVersion: versionIn([join(folder, 'usr/bin/etcd'), '--version'], /etcd Version: (\S+)/),
  };
  say(`repmgr ${versions.repmgrVersion}, Patroni ${versions.patroniVersion} and etcd ${versions.etcdVersion} in ${folder}`);
  return {
    postgres: { major, version: versions.version, binDir: bin, clientsDir: bin },
    repmgr: join(bin, 'repmgr'),
    repmgrd: join(bin, 'repmgrd'),
    patroni: join(folder, 'bin', 'patroni'),
    etcd: join(folder, 'usr/bin/etcd'),
  };
}

function versionIn(argv, pattern) {
  const version = pattern.exec(runCommand(argv))?.[1];
  if (version === undefined) throw new PreparationError(`${argv.join(' ')} does not say a version`);
  return version;
}
