import type { Attempt, StreamAccess, Verdict } from './check.ts';
import { failed, passed } from './verdict.ts';

/** The replication connection answers. */
export function judgeStream(attempt: Attempt<StreamAccess> | undefined): Verdict | undefined {
  if (attempt === undefined) return undefined;
  return attempt.kind === 'ok' ? passed() : failed(attempt.reason, attempt.remedy);
}
