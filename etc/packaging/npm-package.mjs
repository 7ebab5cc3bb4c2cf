// The package that `npm install --global` takes.
import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { packageOf, repository, run, settle, write } from './surroundings.mjs';

const here = join(repository, 'etc', 'packaging');

export function makeNpmPackage({ scratch, into, version, runtime, time }, { manuals }) {
  const folder = join(scratch, 'npm');
  mkdirSync(folder);
  const declared = packageOf(repository);
  const { devDependencies: _, scripts: __, private: ___, ...kept } = declared;
  write(
    join(folder, 'package.json'),
    `${JSON.stringify({ ...kept, version, files: ['bin', 'dist', 'etc', 'docs'] }, null, 2)}\n`,
  );
  for (const name of ['README.md', 'LICENSE', 'bin', 'docs', 'etc']) {
    cpSync(join(repository, name), join(folder, name), { recursive: true, filter: (path) => path !== here });
  }
  for (const name of readdirSync(join(repository, 'dist', 'cli'))) {
    if (!name.endsWith('.cache')) cpSync(join(repository, 'dist', 'cli', name), join(folder, 'dist', 'cli', name));
  }
  const used = '/usr/local/lib/node_modules/pgcellar/dist/cli';
  run([runtime.node, join(repository, 'bin', 'write-code-cache.cjs'), join(folder, 'dist', 'cli'), used]);
  cpSync(manuals, join(folder, 'dist', 'man'), { recursive: true });
  settle(folder, time); // npm packs the modes that a umask has left
  run(['npm', 'pack', '--silent', '--ignore-scripts', '--pack-destination', into], { cwd: folder });
}
