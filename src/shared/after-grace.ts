/** Aborts some time after another signal, so that what was asked by then may still be answered. Keeps no process running. */
export function afterGrace(signal: AbortSignal, graceMs: number): AbortSignal {
  const late = new AbortController();
  const begin = (): void => {
    AbortSignal.timeout(graceMs).addEventListener('abort', () => late.abort(), { once: true });
  };
  if (signal.aborted) begin();
  else signal.addEventListener('abort', begin, { once: true });
  return late.signal;
}
