// What vitest's JSON reporter left, in the few numbers and names that `npm test` needs.
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';

/**
 * `{ passed, failed, skipped, groups }`, or undefined when vitest wrote no report. `failed` counts tests, and files that failed
 * outside of their tests (they could not be loaded, or a hook failed); `groups` says of what the skipped tests are, a line each.
 */
export function readTestReport(path, repository) {
  if (!existsSync(path)) return undefined;
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(path, 'utf8'));
  const notRun = testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.filter(wasSkipped).map((test) => groupOf(relative(repository, name), test)),
  );
  return {
    passed: numPassedTests,
    failed: numFailedTests + testResults.filter(failedOutsideTests).length,
    skipped: notRun.length,
    groups: countEach(notRun),
  };
}

/** Skipped, left to do, or not reached: everything that has neither passed nor failed. */
function wasSkipped({ status }) {
  return status !== 'passed' && status !== 'failed';
}

/** The file and the `describe` around a test; the outermost title is the file's own, and empty. */
function groupOf(file, { ancestorTitles }) {
  return [file, ...ancestorTitles.filter((title) => title !== '')].join(' > ');
}

function failedOutsideTests({ status, assertionResults }) {
  return status === 'failed' && !assertionResults.some((test) => test.status === 'failed');
}

function countEach(names) {
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => `${count} in ${name}`);
}
