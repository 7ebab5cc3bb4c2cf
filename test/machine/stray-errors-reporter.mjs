// A reporter of vitest that notes down the errors that no test waited for: they fail a run, and the JSON report leaves them out.
import { writeFileSync } from 'node:fs';

/** Writes a list of `{ file, message }` to the file that PGCELLAR_STRAY_ERRORS names; `file` is undefined when vitest does not know it. */
export default class StrayErrorsReporter {
  onTestRunEnd(_modules, errors) {
    const strays = errors.map(({ message, VITEST_TEST_PATH: file }) => ({ file, message }));
    writeFileSync(process.env.PGCELLAR_STRAY_ERRORS, JSON.stringify(strays));
  }
}
