// Makes every package: npm run package [-- --into FOLDER] [--only deb,rpm,archive,npm] [--version V] [--quick] [--built]
// Into dist/packages unless another folder is named: Debian packages, RPMs, an archive for hosts without network, the npm package, an SBOM
// and SHA256SUMS. Two runs on one commit write the same bytes: every time is the commit's, every owner root. `--quick` compresses little,
// `--version` makes a later release of the same, for trials of upgrades, and `--built` takes the program that the last build left.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { makeArchive } from './archive.mjs';
import { makeDebianPackages } from './debian.mjs';
import { layPackages } from './lay-packages.mjs';
import { makeNpmPackage } from './npm-package.mjs';
import { makeRpms } from './rpm.mjs';
import { ensureRuntime } from './runtime.mjs';
import { writeBill, writeSums } from './sums.mjs';
import { commitTime, PackagingError, packageOf, repository, run } from './surroundings.mjs';

const makers = { deb: makeDebianPackages, rpm: makeRpms, archive: makeArchive, npm: makeNpmPackage };

function main() {
  process.umask(0o022); // also for what npm and the build write
  const { values } = parseArgs({
    options: {
      into: { type: 'string', default: join(repository, 'dist', 'packages') },
      only: { type: 'string', default: Object.keys(makers).join(',') },
      version: { type: 'string', default: packageOf(repository).version },
      quick: { type: 'boolean', default: false },
      built: { type: 'boolean', default: false },
    },
  });
  const kinds = values.only.split(',');
  const unknown = kinds.find((kind) => makers[kind] === undefined);
  if (unknown !== undefined) throw new PackagingError(`--only ${unknown}: it takes ${Object.keys(makers).join(', ')}`);
  const scratch = mkdtempSync(join(tmpdir(), 'pgcellar-packages-'));
  try {
    const into = resolve(values.into);
    rmSync(into, { recursive: true, force: true });
    mkdirSync(into, { recursive: true });
    if (!values.built) run(['npm', 'run', '--silent', 'build'], { cwd: repository });
    const order = {
      version: values.version,
      time: commitTime(),
      isQuick: values.quick,
      runtime: ensureRuntime(),
      scratch,
      into,
    };
    const laid = layPackages(order);
    for (const kind of kinds) makers[kind](order, laid);
    writeBill(order);
    for (const line of writeSums(into)) process.stdout.write(`${line}\n`);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

try {
  main();
} catch (error) {
  if (!(error instanceof PackagingError)) throw error;
  process.stderr.write(`ERROR: ${error.message}\n`);
  process.exitCode = 1;
}
