/** Waits until all work has ended; the first that fails stops the rest, and is what is thrown. @param stop the work listens to it */
export async function endTogether(stop: AbortController, work: readonly Promise<void>[]): Promise<void> {
  const failures: unknown[] = [];
  const noted = work.map(async (one) => {
    try {
      await one;
    } catch (error) {
      failures.push(error);
      stop.abort();
    }
  });
  await Promise.all(noted);
  if (failures.length > 0) throw failures[0];
}
