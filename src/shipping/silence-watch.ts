import { StallWatch } from '../compression/stall-watch.ts';
import type { RunningProgram } from '../transport/programs/run-program.ts';

/** A backup host that works takes or gives something sooner, or ends: the slowest disk has synced a segment by then. */
const usualSilenceMs = 120_000;

/** Gives up a remote call that neither takes nor gives a byte for so long; whoever asked then hears of a connection that failed. */
export class SilenceWatch extends StallWatch {
  readonly #silentMs: number;

  constructor(running: RunningProgram, silentMs: number = usualSilenceMs) {
    super({
      stallMs: silentMs,
      progress: () => Promise.resolve(`${String(bytesOf(running.stdout))} ${String(bytesOf(running.stdin))}`),
      onStall: () => running.abandon(),
    });
    this.#silentMs = silentMs;
  }

  /** The message about a call that was given up. */
  get text(): string {
    return `the connection to the backup host carried no byte for ${String(this.#silentMs / 1000)} s`;
  }
}

/** Bytes that went through one end of a program: a pipe counts them. */
function bytesOf(stream: RunningProgram['stdout'] | RunningProgram['stdin']): number {
  const counted = stream as { bytesRead?: number; bytesWritten?: number; writableLength?: number };
  return (counted.bytesRead ?? 0) + (counted.bytesWritten ?? 0) - (counted.writableLength ?? 0);
}
