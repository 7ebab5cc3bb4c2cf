import type { Clock } from '../shared/clock.ts';
import type { Progress } from '../shared/progress.ts';
import { formatInterval, formatSize } from '../shared/units.ts';
import type { TextStream } from './writer.ts';

interface Terminal extends TextStream {
  /** Width; 80 when unknown. It may change at any time. */
  readonly columns?: number | undefined;
}

interface ProgressLineSettings {
  readonly terminal: Terminal;
  readonly clock: Pick<Clock, 'elapsedMs'>;
}

interface Stage {
  readonly label: string;
  readonly totalBytes: number | undefined;
  readonly startedMs: number;
}

const redrawMs = 200;
/** Before so long, and before one percent, a rate says nothing about the time left. */
const settledSeconds = 10;
const eraseLine = '\r\u001B[K';

/**
 * Draws the running stage as one line of a terminal: `label  41%  123.4 MiB of 300.1 MiB  45.2 MiB/s  4 seconds left`. It is
 * rewritten in place at most five times a second, never wider than the terminal, and gone when the stage ends.
 */
export class ProgressLine implements Progress {
  readonly #terminal: Terminal;
  readonly #clock: Pick<Clock, 'elapsedMs'>;
  #stage: Stage | undefined;
  #drawnMs: number | undefined;
  #isVisible = false;

  constructor({ terminal, clock }: ProgressLineSettings) {
    this.#terminal = terminal;
    this.#clock = clock;
  }

  begin({ label, totalBytes }: { readonly label: string; readonly totalBytes?: number | undefined }): void {
    this.end();
    this.#stage = { label, totalBytes, startedMs: this.#clock.elapsedMs() };
    this.#drawnMs = undefined;
    this.advance(0);
  }

  advance(doneBytes: number): void {
    if (this.#stage === undefined) return;
    const now = this.#clock.elapsedMs();
    if (this.#drawnMs !== undefined && now - this.#drawnMs < redrawMs) return;
    this.#drawnMs = now;
    const width = Math.max((this.#terminal.columns ?? 80) - 1, 1);
    const text = lineOf(this.#stage, doneBytes, (now - this.#stage.startedMs) / 1000);
    this.#terminal.write(`\r${text.slice(0, width)}\u001B[K`);
    this.#isVisible = true;
  }

  end(): void {
    this.hide();
    this.#stage = undefined;
  }

  /** Takes the line off the terminal so that a message can be written; the next step draws it again. */
  hide(): void {
    if (!this.#isVisible) return;
    this.#terminal.write(eraseLine);
    this.#isVisible = false;
  }
}

function lineOf({ label, totalBytes }: Stage, doneBytes: number, seconds: number): string {
  const rate = seconds > 0 && doneBytes > 0 ? doneBytes / seconds : undefined;
  const speed = rate === undefined ? [] : [`${formatSize(rate)}/s`];
  if (totalBytes === undefined || totalBytes <= 0) return [label, formatSize(doneBytes), ...speed].join('  ');
  const percent = Math.min(Math.floor((doneBytes / totalBytes) * 100), 100);
  const isTold = rate !== undefined && doneBytes < totalBytes && (percent >= 1 || seconds >= settledSeconds);
  const left = !isTold ? [] : [`${formatInterval((totalBytes - doneBytes) / rate)} left`];
  return [label, `${String(percent)}%`, `${formatSize(doneBytes)} of ${formatSize(totalBytes)}`, ...speed, ...left].join('  ');
}
