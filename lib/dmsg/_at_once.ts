/** Work on many things, some at a time. @module */

/**
 * Works on each of `items` in their order, `most` at a time, until `isOver` says that no more shall be begun. Resolves
 * when all that was begun has ended; rejects with the first failure, once the others have ended.
 */
export async function someAtOnce<T>(
  items: readonly T[],
  most: number,
  work: (item: T) => Promise<void>,
  isOver: () => boolean = () => false,
): Promise<void> {
  let next = 0;
  const workers = Array.from({ length: Math.min(most, items.length) }, async () => {
    while (next < items.length && !isOver()) await work(items[next++]!);
  });
  const ended = await Promise.allSettled(workers);
  const failed = ended.find((worker) => worker.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
