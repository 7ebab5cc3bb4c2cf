import type { CheckResult } from '../../check/check.ts';
import { walArchived } from '../../check/checks/wal-archived.ts';
import type { FilledRemedy, FilledStep, QueryOption, RunnableStep } from '../../check/remedy.ts';
import { nodesOf, primaryNodesOf, walNodesOf } from '../../config/nodes-of-server.ts';
import type { Server } from '../../config/server.ts';
import type { ServerNodes } from '../../postgres/server-nodes.ts';
import type { Context } from '../../shared/context.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { failureOf } from '../../transport/programs/program-result.ts';
import { runProgram } from '../../transport/programs/run-program.ts';
import type { CheckReport } from '../reports/server-reports.ts';
import { checkServer } from './check-server.ts';

/** The operator's answer to a step: `yes` runs it, or says that it was done by hand; `no` leaves it; `quit` ends everything. */
type Answer = 'yes' | 'no' | 'quit';

export interface Mending {
  /** Reads the server's configuration again: a step may have changed it. @throws OperatorError when it is gone */
  readonly reload: () => Server;
  /** The beginning of a command line of ours. */
  readonly self: readonly string[];
  /** A failed check comes up, with what mends it. */
  readonly onFailure: (result: CheckResult, remedy: FilledRemedy) => void;
  /** Asks whether a step is to be run (`run`; a `decision` by somebody who looked at it), or waits until it was done by hand (`by-hand`). */
  readonly ask: (step: FilledStep, how: 'run' | 'decision' | 'by-hand') => Promise<Answer>;
  /** A line that a command of a step wrote. */
  readonly onLine: (line: string) => void;
  /** A step failed: the next ones of its remedy are left out. */
  readonly onStepFailure: (error: OperatorError) => void;
  /** Whether the check passes now. */
  readonly onOutcome: (name: string, isMended: boolean) => void;
}

/** A program that was started in the background needs a moment before a check sees it. */
const looksForMs = 15_000;
const betweenChecksMs = 500;
/** A program that starts well may end immediately: a check that passes counts when it still does after so long. */
const staysWellMs = 5000;

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
    report =
      outcome === 'failed'
        ? await checkServer(current, undefined, context)
        : await checkUntilMended(current, next.name, context);
    mending.onOutcome(next.name, passes(report, next.name));
  }
}

/** A first segment arrives only when everything else is well. */
function inOrderOfMending(results: readonly CheckResult[]): readonly CheckResult[] {
  const failed = results.filter(({ isOk, remedy }) => !isOk && remedy !== undefined);
  const isLast = ({ name }: CheckResult): boolean => name === walArchived.name;
  return [...failed.filter((result) => !isLast(result)), ...failed.filter(isLast)];
}

async function takeSteps(
  { steps }: FilledRemedy,
  server: Server,
  mending: Mending,
  context: Context,
): Promise<'done' | 'failed' | 'nothing-done' | 'quit'> {
  let isAnythingDone = false;
  for (const step of steps) {
    if (step.kind === 'note') continue;
    const runnable = ours(step);
    const how = runnable === undefined ? 'by-hand' : runnable.isDecision === true ? 'decision' : 'run';
    const answer = await mending.ask(step, how);
    if (answer === 'quit') return 'quit';
    if (answer === 'no') continue;
    isAnythingDone = true;
    if (runnable === undefined) continue;
    try {
      await runStep(runnable, server, mending, context);
    } catch (error) {
      if (!(error instanceof OperatorError) || context.signal.aborted) throw error;
      mending.onStepFailure(error);
      return 'failed';
    }
  }
  return isAnythingDone ? 'done' : 'nothing-done';
}

/** The steps that we can run: commands of this host as the user that we are, and SQL over a connection whose role the server may refuse. */
function ours(step: FilledStep): RunnableStep | undefined {
  if (step.use === 'advice') return undefined;
  return step.kind === 'root' && process.getuid?.() !== 0 ? undefined : step;
}

/** @throws OperatorError `command-failed`, `query-failed` or `connection-failed` */
async function runStep(step: RunnableStep, server: Server, { self, onLine }: Mending, context: Context): Promise<void> {
  if ('words' in step) {
    const argv = step.kind === 'pgcellar' ? [...self, ...step.words] : step.words;
    const { environment } = server;
    const { signal } = context;
    const result = await runProgram(argv, { environment, signal, onStdoutLine: onLine, onStderrLine: onLine });
    if (result.exitCode !== 0) throw failureOf(result, step.words.join(' '));
    return;
  }
  await using connection = await nodesOver[step.over](server).queries(context.signal);
  await connection.query(step.text);
}

const nodesOver: Readonly<Record<QueryOption, (server: Server) => ServerNodes>> = {
  conninfo: nodesOf,
  wal_conninfo: walNodesOf,
  primary_conninfo: primaryNodesOf,
};

/** Looks until the check passes, and once more a while later: what has just been started may have ended by then. */
async function checkUntilMended(server: Server, name: string, context: Context): Promise<CheckReport> {
  const deadlineMs = context.clock.elapsedMs() + looksForMs;
  let report = await checkServer(server, undefined, context);
  while (context.clock.elapsedMs() < deadlineMs) {
    const isWell = passes(report, name);
    await context.clock.sleep(isWell ? staysWellMs : betweenChecksMs, context.signal);
    report = await checkServer(server, undefined, context);
    if (isWell && passes(report, name)) return report;
  }
  return report;
}

function passes({ results }: CheckReport, name: string): boolean {
  return results.every((result) => result.name !== name || result.isOk);
}
