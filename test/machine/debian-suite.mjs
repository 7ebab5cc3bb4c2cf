// Packages of another Debian suite, downloaded with apt state of our own and unpacked into a folder: nothing gets installed.
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand, tryCommand } from './run-command.mjs';
import { ensureSystemPackages } from './system-packages.mjs';

const mirror = 'http://deb.debian.org/debian';
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * Downloads the packages with all they depend on into `folder`; gives the paths of the files. Of the suite experimental, which lies over
 * sid, it takes `ahead` alone. `absent` are packages that others depend on and nobody here needs.
 */
export async function downloadPackages({ suite, names, folder, withDependencies = true, ahead = [], absent = [] }) {
  if (!existsSync(keyring)) await ensureSystemPackages(['debian-archive-keyring']);
  const apt = aptFolders({ suite, folder, ahead, absent });
  apt(['update']);
  if (withDependencies) apt(['install', '-y', '--download-only', '--no-install-recommends', ...names]);
  else runCommand([...apt.argv, 'download', ...names], { cwd: join(folder, 'cache', 'archives') });
  const archives = join(folder, 'cache', 'archives');
  return readdirSync(archives)
    .filter((name) => name.endsWith('.deb'))
    .map((name) => join(archives, name));
}

export function unpackPackages(files, folder) {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  for (const file of files) runCommand(['dpkg', '-x', file, folder]);
}

/**
 * Makes a folder whole or not at all: `fill` works on a temporary one, which then takes the place of `folder`. Left-overs of a
 * preparation that was interrupted are removed; the caller holds the machine's lock.
 */
export async function fillFolder(folder, fill) {
  const temporary = `${folder}.unfinished`;
  rmSync(temporary, { recursive: true, force: true });
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true, mode: 0o755 });
  await fill(temporary);
  runCommand(['mv', '-T', temporary, folder]);
}

function aptFolders({ suite, folder, ahead, absent }) {
  for (const name of ['state/lists/partial', 'cache/archives/partial']) mkdirSync(join(folder, name), { recursive: true });
  // nothing else is installed, so every dependency is downloaded
  writeFileSync(join(folder, 'state', 'status'), absent.map(standIn).join('\n'));
  const suites = suite === 'experimental' ? ['sid', suite] : [suite];
  writeFileSync(
    join(folder, 'sources.list'),
    suites.map((name) => `deb [signed-by=${keyring}] ${mirror} ${name} main\n`).join(''),
  );
  const pin = ['Package:', ...ahead].join(' ');
  writeFileSync(
    join(folder, 'preferences'),
    ahead.length === 0 ? '' : `${pin}\nPin: release a=experimental\nPin-Priority: 990\n`,
  );
  const settings = {
    'Dir::State': join(folder, 'state'),
    'Dir::State::status': join(folder, 'state', 'status'),
    'Dir::Cache': join(folder, 'cache'),
    'Dir::Etc::sourcelist': join(folder, 'sources.list'),
    'Dir::Etc::sourceparts': '-',
    'Dir::Etc::preferences': join(folder, 'preferences'),
    'Dir::Etc::preferencesparts': '-',
    'Dir::Log': folder,
    'APT::Sandbox::User': tryCommand(['id', '-un']).stdout.trim(), // the user _apt may not reach the folder
    'Acquire::Languages': 'none',
    'Acquire::Retries': '3',
    'Acquire::Check-Valid-Until': 'false', // a mirror frozen in time serves lists that are older than they promise to be
  };
  const argv = ['apt-get', '-q', ...Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`])];
  const apt = (words) => runCommand([...argv, ...words]);
  apt.argv = argv;
  return apt;
}

/** A package that apt takes for installed. */
function standIn(name) {
  return [
    `Package: ${name}`,
    'Status: install ok installed',
    'Maintainer: nobody <nobody@localhost>',
    'Architecture: all',
    'Version: 9999',
    'Description: stands in',
    '',
  ].join('\n');
}
