// Packages of the machine's own Debian or Ubuntu, installed through apt when we may.
import { existsSync } from 'node:fs';
import { PreparationError, runCommand, say, timed, tryCommand } from './run-command.mjs';

const aptInstall = ['apt-get', '-y', '-q', '-o', 'DPkg::Lock::Timeout=300', 'install', '--no-install-recommends'];
const quietly = ['env', 'DEBIAN_FRONTEND=noninteractive', 'LC_ALL=C.UTF-8'];

/**
 * Installs those of the packages that are missing; throws, with the one line to run, when we may not.
 * @returns the names that were installed
 */
export async function ensureSystemPackages(names) {
  const missing = missingPackages(names);
  if (missing.length === 0) return [];
  const elevation = elevationOrRefuse(missing);
  await timed(`apt packages ${missing.join(' ')}`, () => withoutServices(elevation, () => installPackages(missing, elevation)));
  return missing;
}

/** The names that are not installed. */
export function missingPackages(names) {
  if (!hasProgram('dpkg-query'))
    throw new PreparationError(`no dpkg here: install by hand what Debian calls ${names.join(' ')}`);
  return names.filter((name) => {
    const { status, stdout } = tryCommand(['dpkg-query', '-W', '-f=${db:Status-Status}\n', name]);
    return status !== 0 || !stdout.split('\n').includes('installed');
  });
}

/** Whether the machine's own package lists know a package; they are fetched when they know nothing at all. */
export function hasCandidate(name) {
  if (isKnown(name)) return true;
  if (!isKnown('rsync') && mayBecomeRoot()) updateLists(elevation());
  return isKnown(name);
}

/** Runs as root, through `sudo -n` when we are not. */
export function runAsRoot(argv, options) {
  return runCommand([...elevation(), ...argv], options);
}

function hasProgram(name) {
  return (process.env.PATH ?? '').split(':').some((folder) => existsSync(`${folder}/${name}`));
}

function installPackages(names, elevated) {
  const argv = [...elevated, ...quietly, ...aptInstall, ...names];
  if (tryCommand(argv).status === 0) return;
  updateLists(elevated); // never fetched, or too old to find the files
  runCommand(argv);
}

/** What Debian's packages ask before they start a service; one that is there stays. */
const policy = '/usr/sbin/policy-rc.d';

/** The tests start what they need themselves: no package is to start a service of the machine. */
function withoutServices(elevated, work) {
  if (existsSync(policy)) return work();
  runCommand([...elevated, 'tee', policy], { input: '#!/bin/sh\nexit 101\n' });
  try {
    runCommand([...elevated, 'chmod', '0755', policy]);
    return work();
  } finally {
    runCommand([...elevated, 'rm', '-f', policy]);
  }
}

function updateLists(elevated) {
  say('apt-get update');
  runCommand([...elevated, ...quietly, 'apt-get', '-q', 'update']);
}

function isKnown(name) {
  const { stdout } = tryCommand(['apt-cache', 'policy', name], { env: { LC_ALL: 'C' } });
  return /Candidate: (?!\(none\))/.test(stdout);
}

function elevation() {
  return process.getuid() === 0 ? [] : ['sudo', '-n'];
}

/** Whether packages can be installed without asking anybody. */
export function mayBecomeRoot() {
  return process.getuid() === 0 || tryCommand(['sudo', '-n', 'true']).status === 0;
}

function elevationOrRefuse(missing) {
  if (mayBecomeRoot()) return elevation();
  throw new PreparationError(
    `system packages are missing, and there is no passwordless sudo here; run this once as root, then again:\n  apt-get update && apt-get install --no-install-recommends ${missing.join(' ')}`,
  );
}
