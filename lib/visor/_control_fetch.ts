/** The answer of the control API's `fetch`: another node's, in frames, as fast as its caller reads. @module */
import { describeError, type Log, SkyError } from "../base/mod.ts";
import { encodeFrame, type FetchInput, FRAME, STREAM_BEAT_MS } from "../control/mod.ts";
import type { HttpResponse } from "../http/mod.ts";
import { errorOf, type StreamedOptions } from "./_control_streams.ts";

/** Sends the request in the visor's name; resolves with the answer's head. The signal ends the exchange, body included. */
export type FetchAction = (input: FetchInput, signal: AbortSignal) => Promise<HttpResponse>;

/**
 * The frames of what `work` answers. They begin at once; a caller that leaves, or the end of the visor, ends `work`, and
 * the frames in the middle.
 */
export function fetched(
  work: (signal: AbortSignal) => Promise<HttpResponse>,
  { callerSignal, every, log }: StreamedOptions & { readonly log: Log },
): Response {
  const left = new AbortController();
  const onLeave = () => left.abort(callerSignal.reason);
  if (callerSignal.aborted) onLeave();
  callerSignal.addEventListener("abort", onLeave, { once: true });
  let beatIsDue = false;
  let wake = () => {};
  const stopBeats = every(STREAM_BEAT_MS, () => {
    beatIsDue = true;
    wake();
  });
  const frames = framesOf(work, left.signal, log);
  let next: ReturnType<typeof frames.next> | undefined;
  const end = () => {
    stopBeats();
    callerSignal.removeEventListener("abort", onLeave);
  };
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      next ??= frames.next();
      const beat = new Promise<undefined>((resolve) => {
        wake = () => resolve(undefined);
        if (beatIsDue) wake();
      });
      try {
        const frame = await Promise.race([next, beat]);
        if (frame === undefined) {
          beatIsDue = false;
          return controller.enqueue(encodeFrame(FRAME.beat));
        }
        next = undefined;
        if (!frame.done) return controller.enqueue(frame.value);
        end();
        controller.close();
      } catch (error) {
        end();
        throw error; // the caller's connection ends in the middle
      }
    },
    cancel(reason) {
      left.abort(reason);
      end();
      next?.catch(() => {}); // of the end that it was told of
      frames.return().catch(() => {});
    },
  }, { highWaterMark: 0 });
  return new Response(body, { headers: { "Content-Type": "application/octet-stream" } });
}

async function* framesOf(
  work: (signal: AbortSignal) => Promise<HttpResponse>,
  signal: AbortSignal,
  log: Log,
): AsyncGenerator<Uint8Array, void, void> {
  let response: HttpResponse | undefined;
  try {
    response = await work(signal);
    const { status, reason, headers, bodyReader } = response;
    yield encodeFrame(FRAME.head, JSON.stringify({ status, reason, headers: [...headers] }));
    for (let view = await bodyReader.read(); view !== null; view = await bodyReader.read()) {
      yield encodeFrame(FRAME.data, view);
    }
    yield encodeFrame(FRAME.end);
  } catch (error) {
    if (signal.aborted) throw error;
    if (!(error instanceof SkyError)) log.error("A control call failed", { cause: describeError(error) });
    yield encodeFrame(FRAME.error, JSON.stringify({ error: errorOf(error) }));
  } finally {
    response?.discard();
  }
}
