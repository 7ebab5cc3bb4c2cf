// The programs in bin need dist: built again when a source or the output is not what the last build left.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand, timed } from './run-command.mjs';

export async function ensureBuild(repository) {
  const stamp = join(repository, 'node_modules', '.cache', 'pgcellar', 'built-from');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === stampOf(repository)) return;
  const before = sourcesHash(repository);
  await timed('build', () => runCommand(['npm', 'run', '--silent', 'build'], { cwd: repository }));
  if (sourcesHash(repository) !== before) return; // edited meanwhile: the next run builds again
  mkdirSync(join(stamp, '..'), { recursive: true });
  writeFileSync(stamp, stampOf(repository));
}

function stampOf(repository) {
  const dist = join(repository, 'dist', 'cli');
  const outputs = existsSync(dist) ? filesBelow(dist).map((path) => `${path} ${statSync(path).mtimeMs}`) : [];
  return `${sourcesHash(repository)} ${hashOf(outputs)}\n`;
}

function sourcesHash(repository) {
  const settings = ['package.json', 'tsconfig.json', 'package-lock.json'].map((name) => join(repository, name));
  return hashOf([...settings, ...filesBelow(join(repository, 'src'))].flatMap((path) => [path, readFileSync(path)]));
}

function hashOf(parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex');
}

function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}
