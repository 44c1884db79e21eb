/**
 * The answer of a control stream: what its work tells, a line each, until the work ends or nobody reads any more.
 *
 * @module
 */
import { describeError, LimitError, SkyError } from "../base/mod.ts";
import { STREAM_BEAT_MS, type StreamInput, type StreamLine, type StreamName } from "../control/mod.ts";

/** Lines that wait for a caller that reads none of them; one more, and the stream ends. */
export const STREAM_LINES_MAX = 1_024;

/** What each stream does. It ends with its signal: the caller has left, or the visor stops. */
export type StreamActions = {
  readonly [Name in StreamName]: (
    input: StreamInput<Name>,
    tell: (line: StreamLine<Name>) => void,
    signal: AbortSignal,
  ) => Promise<void>;
};

export interface StreamedOptions {
  /** Aborted when the caller leaves, or the visor stops. */
  readonly callerSignal: AbortSignal;
  /** Calls `tick` every so often until the undo. */
  readonly every: (intervalMs: number, tick: () => void) => () => void;
}

/**
 * Runs `work` and answers with the lines that it tells. Errors: those of `work` before its first line or beat; a later one is
 * the last line. The answer ends with `work`, or with the caller's signal.
 */
export async function streamed<Line>(
  work: (tell: (line: Line) => void, signal: AbortSignal) => Promise<void>,
  { callerSignal, every }: StreamedOptions,
): Promise<Response> {
  const left = new AbortController();
  const encoder = new TextEncoder();
  const begun = Promise.withResolvers<void>();
  let isOpen = true;
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({
    start: (given) => void (controller = given),
    cancel(reason) {
      isOpen = false;
      left.abort(reason);
    },
  }, { highWaterMark: STREAM_LINES_MAX });
  const end = () => {
    if (isOpen) controller.close();
    isOpen = false;
  };
  const onLeave = () => {
    left.abort(callerSignal.reason);
    end(); // whoever stops the visor waits for its answers: what the work still has to clean up, it does behind them
  };
  if (callerSignal.aborted) onLeave();
  callerSignal.addEventListener("abort", onLeave, { once: true });
  const put = (line: unknown) => {
    if (!isOpen) return;
    if (controller.desiredSize! <= 0) left.abort(new LimitError(`${STREAM_LINES_MAX} lines are not read`));
    else controller.enqueue(encoder.encode(`${JSON.stringify(line)}\n`));
  };
  let isBegun = false;
  const tell = (line: Line) => {
    isBegun = true;
    begun.resolve();
    put(line);
  };
  let failure: { readonly cause: unknown } | undefined;
  const ended = (async () => {
    try {
      await work(tell, left.signal);
    } catch (cause) {
      failure = { cause };
    } finally {
      callerSignal.removeEventListener("abort", onLeave);
    }
  })();
  const stopBeats = every(STREAM_BEAT_MS, () => {
    put({});
    begun.resolve(); // it may have nothing to say for long
  });
  await Promise.race([begun.promise, ended]);
  if (failure !== undefined && !isBegun && isOpen) {
    stopBeats();
    throw (failure as { cause: unknown }).cause;
  }
  void ended.then(() => {
    stopBeats();
    if (failure !== undefined && !left.signal.aborted) put({ error: errorOf(failure.cause) });
    end();
  });
  return new Response(body, { headers: { "Content-Type": "application/x-ndjson" } });
}

/** A failure as the caller is told of it; a defect keeps its text to itself. */
export function errorOf(error: unknown): { code: string; fault: string; message: string; hint?: string } {
  if (error instanceof SkyError) {
    const { code, fault, hint } = error;
    return { code, fault, message: describeError(error), hint };
  }
  return {
    code: "INTERNAL",
    fault: "peer",
    message: "The visor failed at this call; its log says more",
  };
}
