import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import type { Messages } from './messages.ts';
import type { Progress } from './progress.ts';

/** The context of every piece of work; a function declares the part that it uses (`Pick<Context, 'log'>`). */
export interface Context {
  readonly clock: Clock;
  readonly log: Log;
  readonly messages: Messages;
  readonly progress: Progress;
  /** Aborts on SIGINT, SIGTERM and SIGHUP. */
  readonly signal: AbortSignal;
}
