interface WorkerOptions {
  /** Items that are worked on at the same time. */
  readonly count: number;
  /** An item that takes longer gets a stand-in. */
  readonly patienceMs: number;
}

/**
 * Works on items in their order, with `count` workers. A slow item gets a stand-in worker until it ends, so there are never more than
 * twice `count` under way. `work` must not reject.
 */
export async function runWorkers<T>(
  items: Iterator<T>,
  { count, patienceMs }: WorkerOptions,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const fill = async (isOver: () => boolean, mayHaveStandIn: boolean): Promise<void> => {
    while (!isOver()) {
      const next = items.next();
      if (next.done === true) return;
      let hasEnded = false;
      let standIn: Promise<void> = Promise.resolve();
      const callStandIn = (): void => {
        if (mayHaveStandIn) standIn = fill(() => hasEnded, false);
      };
      const timer = setTimeout(callStandIn, patienceMs);
      await work(next.value);
      hasEnded = true;
      clearTimeout(timer);
      await standIn;
    }
  };
  await Promise.all(Array.from({ length: count }, async () => await fill(() => false, true)));
}
