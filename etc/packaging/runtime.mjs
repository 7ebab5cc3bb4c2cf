// The Node that the packages bring: pinned in runtime.json, from the npm registry, checked against its checksum, kept in node_modules/.cache.
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { PackagingError, repository, run } from './surroundings.mjs';

/** The folder of the runtime: `bin/node`, stripped of its symbols, and `LICENSE`. */
export function ensureRuntime() {
  const pinned = JSON.parse(readFileSync(new URL('runtime.json', import.meta.url), 'utf8'));
  const kept = join(repository, 'node_modules', '.cache', 'pgcellar-runtime');
  const folder = join(kept, pinned.version);
  if (!existsSync(folder)) {
    const unfinished = `${folder}.unfinished`;
    rmSync(unfinished, { recursive: true, force: true });
    mkdirSync(join(unfinished, 'bin'), { recursive: true });
    const file = run(['npm', 'pack', '--silent', `${pinned.package}@${pinned.version}`], { cwd: unfinished }).trim();
    const digest = `sha512-${createHash('sha512')
      .update(readFileSync(join(unfinished, file)))
      .digest('base64')}`;
    if (digest !== pinned.integrity)
      throw new PackagingError(`${file} is not the one that runtime.json pins: it has ${digest}`);
    run(['tar', '-xzf', file, '--no-same-owner'], { cwd: unfinished });
    run(['strip', '--strip-unneeded', '-o', 'bin/node', 'package/bin/node'], { cwd: unfinished });
    cpSync(join(unfinished, 'package', 'LICENSE'), join(unfinished, 'LICENSE'));
    for (const name of ['package', file]) rmSync(join(unfinished, name), { recursive: true });
    renameSync(unfinished, folder);
  }
  return { folder, node: join(folder, 'bin', 'node'), ...pinned };
}
