// A Python of another Debian suite below a folder of its own, and programs that run modules with it.
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pointAtOwnLibraries } from './own-libraries.mjs';
import { PreparationError, runCommand } from './run-command.mjs';

const modules = 'usr/lib/python3/dist-packages';

/**
 * Makes the Python that was unpacked below `root` run with its own libraries and loader once `root` has been moved to `folder`, and writes
 * `bin/NAME` for each of `launchers` (name to the module whose `main` it runs). Such programs start as any other does, and the Python is no
 * concern of their children.
 */
export function finishOwnPython({ root, folder, launchers }) {
  const python = readdirSync(join(root, 'usr/bin')).find((name) => /^python3\.\d+$/.test(name));
  if (python === undefined) throw new PreparationError(`the packages in ${folder} came without a Python`);
  const programs = [join('usr/bin', python)];
  pointAtOwnLibraries({ root, folder: root, programs }); // so that it runs where it is for now
  compile({ python: join(root, 'usr/bin', python), root, folder, libraries: [join('usr/lib', python), modules] });
  pointAtOwnLibraries({ root, folder, programs });
  writeLaunchers({ python: join(folder, 'usr/bin', python), root, folder, launchers });
}

/** For whoever starts it: he may not write beside the modules, and without compiled ones a start takes several times as long. */
function compile({ python, root, folder, libraries }) {
  const paths = libraries.map((name) => join(root, name));
  runCommand([python, '-m', 'compileall', '-q', '-s', root, '-p', folder, ...paths]);
}

function writeLaunchers({ python, root, folder, launchers }) {
  mkdirSync(join(root, 'bin'), { mode: 0o755 });
  for (const [name, module] of Object.entries(launchers)) {
    const path = join(root, 'bin', name);
    const lines = [
      `#!${python}`,
      'import sys',
      `sys.path.insert(0, '${join(folder, modules)}')`,
      `from ${module} import main`,
      "if __name__ == '__main__':", // newer Pythons read this file once more in each worker of a backup or a restore
      '    sys.exit(main())',
    ];
    writeFileSync(path, `${lines.join('\n')}\n`);
    chmodSync(path, 0o755);
  }
}
