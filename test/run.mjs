// What `npm test` runs: prepares the machine, runs vitest, and ends with a line `N passed, N failed`. Words are passed on to vitest:
//   npm test                                  everything
//   npm test -- test/cli/keep.test.ts         a file or a folder
//   npm run test:unit                         only pure code, which needs nothing but the npm packages
// Files that failed are run once more, alone, unless somebody named files to run by hand.
// With CI=true a part that is missing on this machine, and a test that was skipped, is a failure.
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prepareForTest, preparePackages } from './machine/prepare.mjs';
import { makeProgramsReachable } from './machine/reachable-programs.mjs';
import { namesIn, runTests } from './machine/run-tests.mjs';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const isCi = ['true', '1'].includes(process.env.CI);

async function main(words) {
  const missing = namesOnlyUnitTests(words) ? await prepareForUnitTests() : (await prepareForTest()).missing;
  const programs = makeProgramsReachable(root);
  try {
    const env = { ...process.env, ...programs.env };
    return await runTests({ root, words, env, node: programs.node, missing, isCi, runsAgain: isCi || words.length === 0 });
  } finally {
    programs.remove();
  }
}

async function prepareForUnitTests() {
  await preparePackages();
  return [];
}

function namesOnlyUnitTests(words) {
  const unit = join(root, 'test', 'unit');
  const paths = namesIn(words).map((word) => resolve(root, word));
  return paths.length > 0 && paths.every((path) => path === unit || path.startsWith(`${unit}/`));
}

process.exitCode = await main(process.argv.slice(2));
