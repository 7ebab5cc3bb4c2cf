// Runs vitest, runs files that failed once more, alone, and ends with a line `N passed, N failed`.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { findMarkedProcesses, killProcesses } from './marked-processes.mjs';
import { countTests, flakyFiles, readTestReport, withSecondRun } from './test-report.mjs';

/** What was told to end may need a moment for it. */
const graceMs = 5_000;
const strayErrorsReporter = fileURLToPath(new URL('stray-errors-reporter.mjs', import.meta.url));

/**
 * Runs the tests of `root` that vitest takes `words` for, and prints what is to be known beside vitest's own output, then the summary;
 * everything that makes the run fail is in its count.
 * - `env`, `node`: the environment and the Node of the tests
 * - `missing`: parts that are not on this machine; with `isCi` each is a failure, and so is a test that was skipped
 * - `runsAgain`: whether files that failed are run once more; one that passes then is told as flaky, and fails nothing
 * @returns the exit code
 */
export async function runTests({ root, words, env, node, missing, isCi, runsAgain }) {
  const run = randomUUID();
  const vitest = new Vitest({ root, node, env: { ...env, PGCELLAR_TEST_RUN: run } });
  const first = await vitest.run(words);
  const left = await endLeftProcesses(run);
  const { files } = first;
  const failed = files.filter((file) => file.failed > 0).map(({ file }) => file);
  let again = { end: first.end, files: [], strays: [] };
  if (runsAgain && failed.length > 0 && !vitest.isInterrupted) {
    shout(`RUNNING AGAIN, alone, what failed (${failed.length} of ${files.length} files):`, failed);
    again = await vitest.run([...optionsOf(words), ...failed.map((file) => join(root, file)), '--no-file-parallelism']);
    left.push(...(await endLeftProcesses(run)));
  }
  return conclude({
    counts: countTests(withSecondRun(files, again.files)),
    flaky: flakyFiles(files, again.files),
    missing,
    strays: [...first.strays, ...again.strays],
    end: again.end,
    left,
    isSelection: selectsByName(words),
    isCi,
  });
}

/** The words that name files or folders. */
export function namesIn(words) {
  return words.filter((word, index) => !isOption(words, index));
}

function optionsOf(words) {
  return words.filter((word, index) => isOption(words, index));
}

function isOption(words, index) {
  return words[index].startsWith('-') || ['-t', '--testNamePattern'].includes(words[index - 1]);
}

/** Tests that a name pattern leaves out count as skipped for vitest, but nobody wanted them. */
function selectsByName(words) {
  return words.some((word) => /^(-t|--testNamePattern)/.test(word));
}

class Vitest {
  #child;
  isInterrupted = false;

  constructor({ root, node, env }) {
    Object.assign(this, { root, node, env });
    // what ends us ends vitest first, so that we can still clear up behind it
    for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => this.#end(signal));
    process.on('SIGINT', () => {
      this.isInterrupted = true;
      if (!process.stdin.isTTY) this.#end('SIGINT'); // a terminal sends Ctrl-C to both, and vitest gives up immediately on a second one
    });
  }

  /** `{ end, files, strays }`: the exit code or signal, and what readTestReport gives. */
  async run(words) {
    const folder = mkdtempSync(join(tmpdir(), 'pgcellar-report-'));
    const [report, strayErrors] = ['report.json', 'stray-errors.json'].map((name) => join(folder, name));
    try {
      const program = join(this.root, 'node_modules', 'vitest', 'vitest.mjs');
      const reporters = ['default', 'json', strayErrorsReporter].map((name) => `--reporter=${name}`);
      const argv = [program, 'run', ...reporters, `--outputFile.json=${report}`, ...words];
      const env = { ...this.env, PGCELLAR_STRAY_ERRORS: strayErrors };
      this.#child = spawn(this.node, argv, { cwd: this.root, env, stdio: 'inherit' });
      const end = await new Promise((done, fail) => {
        this.#child.once('error', fail);
        this.#child.once('exit', (code, signal) => done(code ?? signal));
      });
      return { end, ...readTestReport({ report, strayErrors }, this.root) };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  #end(signal) {
    this.isInterrupted = true;
    this.#child?.kill(signal);
  }
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

function conclude({ counts, flaky, missing, strays, end, left, isSelection, isCi }) {
  const problems = left.map(({ pid, command }) => `left running, and killed: ${pid} ${command}`);
  if (isCi) problems.push(...missing.filter(({ isAhead }) => !isAhead).map(({ part }) => `not on this machine: ${part}`));
  const skipped = isSelection ? 0 : counts.skipped;
  const failedTests = counts.failed + (isCi ? skipped : 0);
  problems.push(...strays.map((message) => `an error of no known test: ${message}`));
  if (end !== 0 && failedTests + problems.length === 0) problems.push(`vitest ended with ${end}; its own words are above`);

  for (const { part, reason } of missing)
    shout(`SKIPPED: all tests that need ${part}, which is not on this machine: ${reason}`);
  if (skipped > 0) shout(`SKIPPED: ${skipped} tests${isCi ? ', which is a failure with CI=true' : ''}`, counts.groups);
  if (problems.length > 0) shout('FAILED outside of the tests:', problems);
  if (flaky.length > 0) {
    shout(
      'FLAKY: failed, and passed when run again alone; each is to be mended:',
      flaky.flatMap(({ file, failures }) => [file, ...failures.map((failure) => `  ${failure}`)]),
    );
  }
  console.log(`\n${counts.passed} passed, ${failedTests + problems.length} failed`);
  return failedTests + problems.length === 0 ? 0 : 1;
}

function shout(text, lines = []) {
  console.log(['', `!!! ${text}`, ...lines.map((line) => `!!!   ${line}`)].join('\n'));
}
