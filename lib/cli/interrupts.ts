/**
 * Which signals of a terminal are one wish, and which end the process at all. Pure: the process's edge, `main.ts`,
 * listens to them.
 *
 * @module
 */

/**
 * A Ctrl-C reaches every process of the terminal's group, and what started this one, `deno task` for one, forwards
 * it once more: signals so close to the first are the same one. No person asks again as quickly.
 */
export const SAME_INTERRUPT_MS = 500;

/** What {@link onInterrupts} calls. */
export interface InterruptHandlers {
  /** The first wish to end: in order. */
  readonly end: () => void;
  /** The second one: now. */
  readonly endNow: () => void;
  /** A steady clock. */
  readonly nowMs: () => number;
}

/** What is to be called at each signal of Ctrl-C's kind. */
export function onInterrupts({ end, endNow, nowMs }: InterruptHandlers): () => void {
  let firstMs: number | undefined;
  return () => {
    if (firstMs === undefined) {
      firstMs = nowMs();
      end();
    } else if (nowMs() - firstMs >= SAME_INTERRUPT_MS) endNow();
  };
}

/**
 * Whether a closed terminal (SIGHUP) shall end this process. `nohup` says that it shall not by having the signal
 * ignored. Linux tells what is ignored, in `/proc/self/status`; elsewhere `processStatus` is undefined, and what is
 * known is that `nohup` leaves neither stdout nor stderr on a terminal.
 */
export function endsAtHangUp(
  { processStatus, isOnTerminal }: {
    readonly processStatus: string | undefined;
    readonly isOnTerminal: boolean;
  },
): boolean {
  const ignored = /^SigIgn:\s*([0-9a-f]+)$/m.exec(processStatus ?? "")?.[1];
  return ignored === undefined ? isOnTerminal : (BigInt(`0x${ignored}`) & 1n) === 0n; // of signal 1
}
