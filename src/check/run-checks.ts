import type { Server } from '../config/server.ts';
import type { Context } from '../shared/context.ts';
import { expectedFailureOf } from '../shared/operator-error.ts';
import { accessible } from './accessible.ts';
import { allChecks, checkTimeout } from './all-checks.ts';
import type { Check, CheckFacts, CheckResult, CheckTools, Verdict } from './check.ts';
import { failureRemedy } from './failure-remedy.ts';
import { OpenConnections } from './open-connections.ts';
import { readFacts } from './read-facts.ts';
import { mendedBy, type NamedRemedy, remedyOf } from './remedies.ts';
import { type FilledRemedy, fillRemedy, type QueryOption } from './remedy.ts';
import { runWithin } from './run-within.ts';
import { valuesOfServer } from './values-of-server.ts';
import { failed } from './verdict.ts';
import { versionProblems } from './version-problems.ts';

interface CheckingOptions {
  readonly server: Server;
  readonly tools: CheckTools;
}

/** The results of the checks of one server. */
export interface Checking {
  readonly results: readonly CheckResult[];
  /** Lines below `configuration: FAILED`. */
  readonly problems: readonly string[];
}

/**
 * Runs the checks of one server in their order, all of them within `timeoutSeconds`: when the time is up, those that are left are
 * skipped and the line `check timeout` is added. A server that is inactive or passive is not connected to. Makes the server's missing
 * folders, and may close and archive a first WAL segment.
 * @throws OperatorError `interrupted`
 */
export async function runChecks({ server, tools }: CheckingOptions): Promise<Checking> {
  const { timeoutSeconds } = tools;
  const log = tools.context.log.named('check');
  const results: CheckResult[] = [];
  const problems = [...server.config.problems];
  let current = 'PostgreSQL';
  await using connections = new OpenConnections();
  const work = async (signal: AbortSignal): Promise<void> => {
    const facts = await readFacts(server, connections, tools.host);
    for (const check of checksFor(server)) {
      current = check.name;
      const context: Context = { ...tools.context, signal };
      const result = await lineOf(check, facts, { ...tools, context });
      if (signal.aborted) return;
      if (result !== undefined) results.push(result);
    }
    problems.push(...(await versionProblems(facts)));
  };
  const isDone = await runWithin(timeoutSeconds, tools.context, work);
  if (!isDone) results.push(timedOut(server, timeoutSeconds, current));
  for (const result of results) {
    if (result.isOk) log.debug(`check '${result.name}' of server '${server.config.name}' passes${inBrackets(result.hint)}`);
    else log[result.isCritical ? 'error' : 'info'](failureText(server, result));
  }
  return { results, problems };
}

function checksFor({ config }: Server): readonly Check[] {
  const isAsked = config.isActive && !config.isPassive;
  return isAsked ? allChecks : allChecks.filter(({ appliesTo }) => appliesTo === 'every');
}

async function lineOf(check: Check, facts: CheckFacts, tools: CheckTools): Promise<CheckResult | undefined> {
  const verdict = await verdictOf(check, facts, tools);
  if (verdict === undefined) return undefined;
  const { isOk, hint, asBarman, perfdata } = verdict;
  const remedy = verdict.isOk ? undefined : remedyFor(facts.server, verdict.remedy, facts);
  return {
    name: isOk ? check.name : (check.failureName ?? check.name),
    isOk,
    hint,
    ...(asBarman === undefined ? {} : { asBarman }),
    perfdata,
    isCritical: !isOk && check.isCritical,
    ...(remedy === undefined ? {} : { remedy }),
  };
}

async function verdictOf(check: Check, facts: CheckFacts, tools: CheckTools): Promise<Verdict | undefined> {
  try {
    return await check.run(facts, tools);
  } catch (error) {
    const failure = expectedFailureOf(error); // a disk that fails is a matter of this line, not of all servers
    if (failure === undefined || failure.code === 'interrupted') throw error;
    return failed(failure.message, failureRemedy(failure, facts.server));
  }
}

function timedOut(server: Server, seconds: number, current: string): CheckResult {
  const hint = `timed out after ${String(seconds)} seconds, at '${current}'`;
  const remedy = remedyFor(server, mendedBy('check-slow', { current }));
  return { name: checkTimeout.name, isOk: false, hint, isCritical: true, remedy };
}

function remedyFor(server: Server, { key, values, over }: NamedRemedy, facts?: CheckFacts): FilledRemedy {
  const canQuery = facts !== undefined && accessible(connectionOf(facts, over)) !== undefined;
  return fillRemedy(remedyOf(key), { ...valuesOfServer(server), ...values }, canQuery ? over : undefined);
}

function connectionOf({ connection, walConnection, primary }: CheckFacts, over: QueryOption): CheckFacts['connection'] {
  return { conninfo: connection, wal_conninfo: walConnection, primary_conninfo: primary }[over];
}

function inBrackets(hint: string | undefined): string {
  return hint === undefined ? '' : ` (${hint})`;
}

function failureText({ config }: Server, { name, hint }: CheckResult): string {
  return `Check '${name}' failed for server '${config.name}'${hint === undefined ? '' : `: ${hint}`}`;
}
