// What `npm test` runs: prepares the machine, runs vitest, and ends with a line `N passed, N failed`. Words are passed on to vitest:
//   npm test                  everything
//   npm test -- test/unit     only pure code, which needs nothing but the npm packages
// With CI=true a part that is missing on this machine, and a test that was skipped, is a failure.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { findMarkedProcesses, killProcesses } from './machine/marked-processes.mjs';
import { prepareForTest, preparePackages } from './machine/prepare.mjs';
import { makeProgramsReachable } from './machine/reachable-programs.mjs';
import { readTestReport } from './machine/test-report.mjs';

const repository = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const isCi = ['true', '1'].includes(process.env.CI);
/** What was told to end may need a moment for it. */
const graceMs = 5_000;

async function main(words) {
  const missing = namesOnlyUnitTests(words) ? await prepareForUnitTests() : (await prepareForTest()).missing;
  const run = randomUUID();
  const { end, report } = await runVitest(words, run);
  const left = await endLeftProcesses(run);
  return conclude({ missing, end, report, left, isSelection: selectsByName(words) });
}

async function prepareForUnitTests() {
  await preparePackages();
  return [];
}

function namesOnlyUnitTests(words) {
  const unit = join(repository, 'test', 'unit');
  const names = words.filter((word, index) => !word.startsWith('-') && words[index - 1] !== '-t');
  const paths = names.map((word) => resolve(repository, word));
  return paths.length > 0 && paths.every((path) => path === unit || path.startsWith(`${unit}/`));
}

/** Tests that a name pattern leaves out count as skipped for vitest, but nobody wanted them. */
function selectsByName(words) {
  return words.some((word) => /^(-t|--testNamePattern)/.test(word));
}

async function runVitest(words, run) {
  const folder = mkdtempSync(join(tmpdir(), 'pgcellar-report-'));
  const reportFile = join(folder, 'report.json');
  const programs = makeProgramsReachable(repository);
  try {
    const vitest = join(repository, 'node_modules', 'vitest', 'vitest.mjs');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`];
    const env = { ...process.env, ...programs.env, PGCELLAR_TEST_RUN: run };
    const end = await endOf(
      spawn(programs.node, [vitest, 'run', ...reporters, ...words], { cwd: repository, env, stdio: 'inherit' }),
    );
    return { end, report: readTestReport(reportFile, repository) };
  } finally {
    programs.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The exit code or signal. What ends us ends vitest first, so that we can still clear up behind it. */
async function endOf(child) {
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  process.on('SIGINT', () => {
    if (!process.stdin.isTTY) child.kill('SIGINT'); // a terminal sends Ctrl-C to both, and vitest gives up at once on a second one
  });
  return await new Promise((done, fail) => {
    child.once('error', fail);
    child.once('exit', (code, signal) => done(code ?? signal));
  });
}

/** Gives what is still running of this run, after it was killed. */
async function endLeftProcesses(run) {
  const deadline = performance.now() + graceMs;
  for (;;) {
    const left = await findMarkedProcesses('PGCELLAR_TEST_RUN', run);
    if (left.length === 0) return left;
    if (performance.now() > deadline) {
      killProcesses(left);
      return left;
    }
    await delay(100);
  }
}

/** Prints what is to be known beside vitest's own output, then the summary; everything that makes the run fail is in its count. */
function conclude({ missing, end, report = { passed: 0, failed: 0, skipped: 0, groups: [] }, left, isSelection }) {
  const problems = left.map(({ pid, command }) => `left running, and killed: ${pid} ${command}`);
  if (isCi) problems.push(...missing.map(({ part }) => `not on this machine: ${part}`));
  const skipped = isSelection ? 0 : report.skipped;
  const failedTests = report.failed + (isCi ? skipped : 0);
  if (end !== 0 && failedTests === 0) problems.push(`vitest ended with ${end}; its own words are above`);

  for (const { part, reason } of missing)
    shout(`SKIPPED: all tests that need ${part}, which is not on this machine: ${reason}`);
  if (skipped > 0) shout(`SKIPPED: ${skipped} tests${isCi ? ', which is a failure with CI=true' : ''}`, report.groups);
  if (problems.length > 0) shout('FAILED outside of the tests:', problems);
  console.log(`\n${report.passed} passed, ${failedTests + problems.length} failed`);
  return failedTests + problems.length === 0 ? 0 : 1;
}

function shout(text, lines = []) {
  console.log(['', `!!! ${text}`, ...lines.map((line) => `!!!   ${line}`)].join('\n'));
}

process.exitCode = await main(process.argv.slice(2));
