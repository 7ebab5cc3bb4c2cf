const shortestMs = 100;
const longestMs = 5_000;

/** Growing pauses between tries of a connection that broke. */
export class Pauses {
  #nextMs = shortestMs;

  /** Milliseconds. */
  next(): number {
    const now = this.#nextMs;
    this.#nextMs = Math.min(now * 2, longestMs);
    return now;
  }

  /** Something has worked meanwhile. */
  restart(): void {
    this.#nextMs = shortestMs;
  }
}
