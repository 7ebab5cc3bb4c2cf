import type { Server } from '../config/server.ts';
import type { Context } from '../shared/context.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { throwIfInterrupted } from '../shared/throw-if-interrupted.ts';
import { type ProgramOptions, runProgram } from '../transport/programs/run-program.ts';

export type HookEvent = 'backup' | 'archive' | 'delete' | 'recovery' | 'wal_delete';

/** The variables of a script beside those of every hook (docs/reference/config-checks-hooks.md section 12). */
export type HookVariables = Readonly<Record<string, string>>;

interface HookRun {
  readonly server: Server;
  readonly event: HookEvent;
  readonly variables: HookVariables;
  readonly error?: string;
}

type Phase = 'pre' | 'post';
type HookContext = Pick<Context, 'clock' | 'log' | 'signal'>;

/** Version that scripts written for Barman compare with. */
const speaksAs = '3.20.1';
const abortAndContinue = 62;
const abortAndStop = 63;
const shortPauseMs = 3_000;
const longPauseMs = 60_000;
/** After being told to end, by a timeout or because we are to stop. */
const secondsToEnd = 10;

/** Whether any script is configured around an event. */
export function hasHooks(server: Server, event: HookEvent): boolean {
  const { options } = server.config;
  return [
    options[`pre_${event}_script`],
    options[`pre_${event}_retry_script`],
    options[`post_${event}_script`],
    options[`post_${event}_retry_script`],
  ].some((script) => script !== undefined);
}

/**
 * Runs the scripts before an event: the plain one, whose exit code is only logged, then the one that is tried again until it succeeds.
 * @returns `stop` when that one asks for it with exit code 63
 */
export async function runPreHooks(run: HookRun, context: HookContext): Promise<'go-on' | 'stop'> {
  await runPlain(run, 'pre', context);
  return await runUntilItSucceeds(run, 'pre', context);
}

/** Runs the scripts after an event, in the opposite order; a wish to stop is only logged. */
export async function runPostHooks(run: HookRun, context: HookContext): Promise<void> {
  await runUntilItSucceeds(run, 'post', context);
  await runPlain(run, 'post', context);
}

/** As {@link runPreHooks}, for events that fail when a script asks to stop. */
export async function runPreHooksOrFail(run: HookRun, context: HookContext): Promise<void> {
  if ((await runPreHooks(run, context)) === 'go-on') return;
  throw new OperatorError(
    'command-failed',
    `the pre_${run.event}_retry_script asked to stop (exit code ${String(abortAndStop)})`,
    {
      hint: 'its output is in the log',
    },
  );
}

async function runPlain(run: HookRun, phase: Phase, context: HookContext): Promise<void> {
  const script = run.server.config.options[`${phase}_${run.event}_script`];
  if (script === undefined) return;
  const exitCode = await runScript(script, { run, phase, isRetry: false, context });
  if (phase === 'pre') throwIfInterrupted(context.signal);
  if (exitCode !== 0) context.log.warning(`${phase}_${run.event}_script ended with ${String(exitCode)}, which is ignored`);
}

async function runUntilItSucceeds(run: HookRun, phase: Phase, context: HookContext): Promise<'go-on' | 'stop'> {
  const name = `${phase}_${run.event}_retry_script` as const;
  const script = run.server.config.options[name];
  if (script === undefined) return 'go-on';
  for (let failures = 1; ; failures++) {
    const exitCode = await runScript(script, { run, phase, isRetry: true, context });
    if (exitCode === 0) return 'go-on';
    if (exitCode === abortAndContinue) {
      context.log.warning(`${name} asked to go on without it (exit code 62)`);
      return 'go-on';
    }
    if (exitCode === abortAndStop) {
      context.log.error(`${name} asked to stop (exit code 63)${phase === 'post' ? ', which is ignored after the event' : ''}`);
      return phase === 'pre' ? 'stop' : 'go-on';
    }
    const pauseMs = failures % 6 === 0 ? longPauseMs : shortPauseMs;
    context.log.warning(`${name} ended with ${String(exitCode)}; next try in ${String(pauseMs / 1000)} s`);
    await context.clock.sleep(pauseMs, context.signal);
  }
}

interface ScriptRun {
  readonly run: HookRun;
  readonly phase: Phase;
  readonly isRetry: boolean;
  readonly context: HookContext;
}

/** Exit code; 128 for a script that a signal ended. */
async function runScript(script: string, { run, phase, isRetry, context }: ScriptRun): Promise<number> {
  const { server, event, variables, error = '' } = run;
  const { hook_timeout: timeoutSeconds } = server.config.options;
  const startedMs = context.clock.elapsedMs();
  context.log.debug(`running ${phase}_${event}_${isRetry ? 'retry_' : ''}script`);
  const result = await runProgram(argvOf(script, timeoutSeconds), {
    environment: {
      ...server.environment,
      ...variables,
      BARMAN_VERSION: speaksAs,
      BARMAN_SERVER: server.config.name,
      BARMAN_CONFIGURATION: server.configurationPath,
      BARMAN_HOOK: `${event}_${isRetry ? 'retry_' : ''}script`,
      BARMAN_PHASE: phase,
      BARMAN_RETRY: isRetry ? '1' : '0',
      BARMAN_ERROR: error,
    },
    onStdoutLine: (line) => context.log.debug(`${phase}_${event} script: ${line}`),
    onStderrLine: (line) => context.log.warning(`${phase}_${event} script: ${line}`),
    // timeout(1) passes on to its group that it has to end
    isTreeOurs: timeoutSeconds <= 0,
    ...stopsOf({ phase, context, timeoutSeconds }),
  });
  if (timeoutSeconds > 0 && result.exitCode !== 0 && context.clock.elapsedMs() - startedMs >= timeoutSeconds * 1000) {
    const name = `${phase}_${event}_${isRetry ? 'retry_' : ''}script`;
    context.log.error(`${name} was ended after ${String(timeoutSeconds)} s (hook_timeout)`);
  }
  return result.exitCode ?? 128;
}

/** timeout(1) makes a process group of the script and ends all of it; without a timeout the script is our own child, as scripts know it. */
function argvOf(script: string, timeoutSeconds: number): string[] {
  const shell = ['/bin/sh', '-c', script];
  return timeoutSeconds > 0 ? ['timeout', '-k', String(secondsToEnd), String(timeoutSeconds), ...shell] : shell;
}

type ScriptEnd = Pick<ScriptRun, 'phase' | 'context'> & { readonly timeoutSeconds: number };

/** Other reasons that end a script: our own end before the event, and a while later, or after its timeout, what it left with its output open. */
function stopsOf({ phase, context: { signal }, timeoutSeconds }: ScriptEnd): Pick<ProgramOptions, 'signal' | 'abandonSignal'> {
  const timedOut = timeoutSeconds > 0 ? [AbortSignal.timeout((timeoutSeconds + secondsToEnd + 2) * 1000)] : [];
  if (phase === 'post') return timedOut.length === 0 ? {} : { abandonSignal: AbortSignal.any(timedOut) };
  return { signal, abandonSignal: AbortSignal.any([...timedOut, wellAfter(signal)]) };
}

/** Aborts so long after another signal as a script has to end. */
function wellAfter(signal: AbortSignal): AbortSignal {
  const late = new AbortController();
  signal.addEventListener('abort', () => void setTimeout(() => late.abort(), secondsToEnd * 1000).unref(), { once: true });
  return late.signal;
}
