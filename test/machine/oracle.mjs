// A real Barman to compare with. It is run, never read: Barman is GPL-3.0 and nothing of its source may enter this project.
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { downloadPackages, fillFolder, unpackPackages } from './debian-suite.mjs';
import { PreparationError, runCommand, say, timed } from './run-command.mjs';
import { ensureSystemPackages } from './system-packages.mjs';

const recipe = '1';
const suite = 'trixie';
/** Program name to the module whose `main` it runs. */
const helpers = {
  'barman-wal-archive': 'barman.clients.walarchive',
  'barman-wal-restore': 'barman.clients.walrestore',
};
/** Whose helpers are still on many database hosts: Debian 12. */
const olderSuite = 'bookworm';

/** Barman as the machine's own Python runs it: `{ version, program }`. */
export async function ensureOracle(cache) {
  const programs = { barman: 'barman.cli', ...helpers };
  const folder = await ensureBarman({ suite, folder: join(cache, 'barman'), programs });
  const program = join(folder, 'bin', 'barman');
  const version = versionIn(runCommand([program, '--version']), /^(\S+) Barman/m, program);
  say(`Barman ${version} in ${program}`);
  return { version, program };
}

/** An older Barman: `{ version, folder }`, the folder of its WAL helpers and, for what they talk to, `barman`. */
export async function ensureOlderHelpers(cache) {
  const programs = { barman: 'barman.cli', ...helpers };
  const folder = await ensureBarman({ suite: olderSuite, folder: join(cache, `barman-${olderSuite}`), programs });
  const program = join(folder, 'bin', 'barman-wal-archive');
  const version = versionIn(runCommand([program, '--version']), /(\d+\.\d+\S*)\s*$/, program);
  say(`helpers of Barman ${version} in ${join(folder, 'bin')}`);
  return { version, folder: join(folder, 'bin') };
}

function versionIn(text, pattern, program) {
  const version = pattern.exec(text)?.[1];
  if (version === undefined) throw new PreparationError(`${program} --version does not say a version`);
  return version;
}

async function ensureBarman({ suite, folder, programs }) {
  await ensureSystemPackages(['python3', 'python3-psycopg2', 'python3-dateutil', 'python3-argcomplete']);
  const stamp = join(folder, 'recipe');
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== recipe) {
    await timed(`Barman from Debian ${suite}`, () =>
      fillFolder(folder, (unfinished) => fillBarman(unfinished, { suite, folder })),
    );
  }
  // the list may have grown since the folder was filled
  for (const [name, module] of Object.entries(programs)) {
    const path = join(folder, 'bin', name);
    if (!existsSync(path)) writeLauncher({ path, module, folder });
  }
  return folder;
}

async function fillBarman(unfinished, { suite, folder }) {
  const download = join(unfinished, 'download');
  const files = await downloadPackages({ suite, names: ['python3-barman'], folder: download, withDependencies: false });
  unpackPackages(files, unfinished);
  runCommand(['rm', '-rf', download]);
  runCommand([
    '/usr/bin/python3',
    '-m',
    'compileall',
    '-q',
    '-s',
    unfinished,
    '-p',
    folder,
    join(unfinished, 'usr/lib/python3/dist-packages'),
  ]);
  mkdirSync(join(unfinished, 'bin'), { mode: 0o755 });
  writeFileSync(join(unfinished, 'recipe'), recipe);
}

function writeLauncher({ path, module, folder }) {
  const lines = [
    '#!/usr/bin/python3',
    'import sys',
    `sys.path.insert(0, '${join(folder, 'usr/lib/python3/dist-packages')}')`,
    `from ${module} import main`,
    'sys.exit(main())',
  ];
  writeFileSync(path, `${lines.join('\n')}\n`);
  chmodSync(path, 0o755);
}
