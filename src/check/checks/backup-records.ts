import type { Check, CheckFacts } from '../check.ts';
import { failed } from '../verdict.ts';

/** Every backup record can be read. */
export const backupRecords: Check = {
  name: 'backup records',
  appliesTo: 'every',
  isCritical: false,
  run(facts) {
    const reason = reasonOf(facts);
    return reason === undefined ? undefined : failed(reason);
  },
};

function reasonOf({ broken, recordsFailure }: CheckFacts): string | undefined {
  if (recordsFailure !== undefined) return recordsFailure.message;
  const [first] = broken;
  if (first === undefined) return undefined;
  const others = broken.length - 1;
  return `${first.reason.message}${others === 0 ? '' : `, and ${String(others)} more`}`;
}
