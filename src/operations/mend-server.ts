import type { CheckResult } from '../check/check.ts';
import { walArchive } from '../check/checks/wal-archive.ts';
import type { Remedy, RemedyStep } from '../check/remedy.ts';
import type { Server } from '../config/server.ts';
import { connectForQueries } from '../postgres/server-access.ts';
import type { Context } from '../shared/context.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { failureOf } from '../transport/program-result.ts';
import { runProgram } from '../transport/run-program.ts';
import { checkServer } from './check-server.ts';
import type { CheckReport } from './reports/server-reports.ts';

/** What the operator says to a step: `yes` runs it, or says that it was done by hand; `no` leaves it; `quit` ends everything. */
type Answer = 'yes' | 'no' | 'quit';

export interface Mending {
  /** Reads the server's configuration again: a step may have changed it. @throws OperatorError when it is gone */
  readonly reload: () => Server;
  /** The beginning of a command line of ours. */
  readonly self: readonly string[];
  /** A failed check comes up, with what mends it. */
  readonly onFailure: (result: CheckResult, remedy: Remedy) => void;
  /** Asks whether a step is to be run (`run`), or waits until it was done by hand (`by-hand`). */
  readonly ask: (step: RemedyStep, how: 'run' | 'by-hand') => Promise<Answer>;
  /** A line that a command of a step wrote. */
  readonly onLine: (line: string) => void;
  /** A step failed: the next ones of its remedy are left out. */
  readonly onStepFailure: (error: OperatorError) => void;
  /** Whether the check passes now. */
  readonly onOutcome: (name: string, isMended: boolean) => void;
}

/** What was started in the background needs a moment before a check sees it. */
const checksAfterwards = 20;
const betweenChecksMs = 500;

/**
 * Walks through the failed checks of a server, one remedy after the other, each check once; checks again after each.
 * @returns the last report
 */
export async function mendServer(server: Server, mending: Mending, context: Context): Promise<CheckReport> {
  const seen = new Set<string>();
  let current = server;
  let report = await checkServer(current, undefined, context);
  for (;;) {
    const next = inOrderOfMending(report.results).find(({ name }) => !seen.has(name));
    if (next?.remedy === undefined) return report;
    seen.add(next.name);
    mending.onFailure(next, next.remedy);
    const outcome = await takeSteps(next.remedy, current, mending, context);
    if (outcome === 'quit') return report;
    if (outcome === 'nothing-done') continue;
    current = mending.reload();
    report = await checkUntilMended(current, next.name, context);
    mending.onOutcome(next.name, passes(report, next.name));
  }
}

/** A first segment arrives only when everything else is well. */
function inOrderOfMending(results: readonly CheckResult[]): readonly CheckResult[] {
  const failed = results.filter(({ isOk, remedy }) => !isOk && remedy !== undefined);
  const isLast = ({ name }: CheckResult): boolean => name === walArchive.name;
  return [...failed.filter((result) => !isLast(result)), ...failed.filter(isLast)];
}

async function takeSteps(
  { steps }: Remedy,
  server: Server,
  mending: Mending,
  context: Context,
): Promise<'done' | 'nothing-done' | 'quit'> {
  let isAnythingDone = false;
  for (const step of steps) {
    if (step.kind === 'note') continue;
    const how = isOurs(step) ? 'run' : 'by-hand';
    const answer = await mending.ask(step, how);
    if (answer === 'quit') return 'quit';
    if (answer === 'no') continue;
    isAnythingDone = true;
    if (how === 'by-hand') continue;
    try {
      await runStep(step, server, mending, context);
    } catch (error) {
      if (!(error instanceof OperatorError) || context.signal.aborted) throw error;
      mending.onStepFailure(error);
      return 'done';
    }
  }
  return isAnythingDone ? 'done' : 'nothing-done';
}

/** What we can run: commands of this host as the user that we are, and SQL through `conninfo`, whose role the server may refuse. */
function isOurs({ kind }: RemedyStep): boolean {
  return kind === 'pgcellar' || kind === 'shell' || kind === 'sql' || (kind === 'root' && process.getuid?.() === 0);
}

/** @throws OperatorError `command-failed`, `query-failed` or `connection-failed` */
async function runStep(step: RemedyStep, server: Server, { self, onLine }: Mending, context: Context): Promise<void> {
  if ('words' in step) {
    const argv = step.kind === 'pgcellar' ? [...self, ...step.words] : step.words;
    const { environment } = server;
    const { signal } = context;
    const result = await runProgram(argv, { environment, signal, onStdoutLine: onLine, onStderrLine: onLine });
    if (result.exitCode !== 0) throw failureOf(result, step.words.join(' '));
    return;
  }
  await using connection = await connectForQueries(server.config.options.conninfo ?? '', server.environment, context.signal);
  await connection.query(step.text);
}

async function checkUntilMended(server: Server, name: string, context: Context): Promise<CheckReport> {
  let report = await checkServer(server, undefined, context);
  for (let left = checksAfterwards; left > 0 && !passes(report, name); left--) {
    await context.clock.sleep(betweenChecksMs, context.signal);
    report = await checkServer(server, undefined, context);
  }
  return report;
}

function passes({ results }: CheckReport, name: string): boolean {
  return results.every((result) => result.name !== name || result.isOk);
}
