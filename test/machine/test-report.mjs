// What vitest's JSON reporter left, in the few numbers and names that `npm test` needs.
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';

/**
 * `{ files, strays }`, empty when vitest wrote no report. Each file is `{ file, passed, failed, failures, skipped }`: `failed` counts
 * tests, and one for a file that failed outside of its tests (it could not be loaded, a hook failed, or an error came that no test
 * waited for); `failures` names them, and `skipped` says of what each test that was not run is. `strays` are messages of errors of no
 * known file.
 */
export function readTestReport({ report, strayErrors }, repository) {
  if (!existsSync(report)) return { files: [], strays: [] };
  const strays = existsSync(strayErrors) ? JSON.parse(readFileSync(strayErrors, 'utf8')) : [];
  const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
  const files = testResults.map(({ name, status, message = '', assertionResults: tests }) => {
    const file = relative(repository, name);
    const failures = tests.filter((test) => test.status === 'failed').map(failureOf);
    const outside = strays.filter((stray) => stray.file === name).map((stray) => stray.message);
    if (status === 'failed' && failures.length === 0) outside.unshift(message);
    if (outside.length > 0) failures.push(`outside of its tests: ${firstLine(outside[0])}`);
    return {
      file,
      passed: tests.filter((test) => test.status === 'passed').length,
      failed: failures.length,
      failures,
      skipped: tests.filter(wasSkipped).map((test) => groupOf(file, test)),
    };
  });
  const isKnown = ({ file }) => testResults.some(({ name }) => name === file);
  return { files, strays: strays.filter((stray) => !isKnown(stray)).map(({ message }) => message) };
}

/** The files of a run with those that were run again in the place of their first results. */
export function withSecondRun(files, again = []) {
  return files.map((first) => again.find(({ file }) => file === first.file) ?? first);
}

/** Files that failed at first and passed when they were run again, each as it was at first. */
export function flakyFiles(files, again = []) {
  return files.filter((first) => first.failed > 0 && again.some(({ file, failed }) => file === first.file && failed === 0));
}

/** `{ passed, failed, skipped, groups }` of all the files; `groups` says of what the skipped tests are, a line each. */
export function countTests(files) {
  const sum = (numberOf) => files.reduce((total, file) => total + numberOf(file), 0);
  const skipped = files.flatMap((file) => file.skipped);
  return {
    passed: sum(({ passed }) => passed),
    failed: sum(({ failed }) => failed),
    skipped: skipped.length,
    groups: countEach(skipped),
  };
}

/** Skipped, left to do, or not reached: everything that has neither passed nor failed. */
function wasSkipped({ status }) {
  return status !== 'passed' && status !== 'failed';
}

function failureOf({ fullName, failureMessages = [] }) {
  return `${fullName}: ${firstLine(failureMessages[0] ?? '')}`;
}

function firstLine(text) {
  return text.split('\n')[0].slice(0, 200);
}

/** The file and the `describe` around a test; the outermost title is the file's own, and empty. */
function groupOf(file, { ancestorTitles }) {
  return [file, ...ancestorTitles.filter((title) => title !== '')].join(' > ');
}

function countEach(names) {
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => `${count} in ${name}`);
}
