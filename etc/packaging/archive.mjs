// One archive for a host without network: it runs from any folder, as any user.
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { completionOf, layDocs } from './lay-packages.mjs';
import { layProgram } from './lay-program.mjs';
import { repository, run, settle, write } from './surroundings.mjs';

/**
 * Shell, which finds the runtime beside the program, wherever that lies; for Node a string and a comment. The name that it was called by
 * stays the program's name.
 */
const findsNode = [
  '#!/bin/sh',
  `':' //; self=$0; [ ! -L "$0" ] || self=$(readlink -f -- "$0"); exec "\${self%/*}/../runtime/bin/node" "$0" "$@"`,
  '',
].join('\n');

export function makeArchive(order, { manuals }) {
  const { scratch, into, version, time, runtime, isQuick } = order;
  const name = `pgcellar-${version}-linux-x64`;
  const folder = join(scratch, 'archive', name);
  layProgram(folder, order, { shebang: findsNode, nodeInShell: '"${self%/*}/../runtime/bin/node"' });
  mkdirSync(join(folder, 'runtime', 'bin'), { recursive: true });
  cpSync(runtime.node, join(folder, 'runtime', 'bin', 'node'));
  write(join(folder, 'runtime', 'LICENSE'), readFileSync(join(runtime.folder, 'LICENSE')));
  for (const file of ['README.md', 'LICENSE', 'CHANGELOG.md']) write(join(folder, file), readFileSync(join(repository, file)));
  for (const part of ['pgcellar.conf', 'pgcellar.cron', 'servers', 'systemd']) {
    cpSync(join(repository, 'etc', part), join(folder, 'etc', part), { recursive: true });
  }
  layDocs(join(folder, 'docs'));
  for (const page of ['1', '5']) mkdirSync(join(folder, 'man', `man${page}`), { recursive: true });
  cpSync(manuals, join(folder, 'man', 'man1'), { recursive: true, filter: (path) => !path.endsWith('.5') });
  cpSync(join(manuals, 'pgcellar.5'), join(folder, 'man', 'man5', 'pgcellar.5'));
  for (const shell of ['bash', 'zsh', 'fish']) {
    write(
      join(folder, 'completion', `pgcellar.${shell}`),
      completionOf(join(scratch, 'roots/pgcellar/usr/lib/pgcellar'), order, 'pgcellar', shell),
    );
  }
  settle(join(scratch, 'archive'), time);
  const tar = join(scratch, `${name}.tar`);
  run([
    'tar',
    '--sort=name',
    '--owner=root:0',
    '--group=root:0',
    '--format=gnu',
    `--mtime=@${String(time)}`,
    '-C',
    join(scratch, 'archive'),
    '-cf',
    tar,
    name,
  ]);
  run(['zstd', '-q', isQuick ? '-1' : '-12', '--single-thread', '-o', join(into, `${name}.tar.zst`), tar]);
}
