/**
 * How a service of the deployment is asked: over dmsg first, over plain HTTP where that is not ready or fails
 * (visor.md 1.2, CL-4). Each way is bounded, so that a dead one costs its bound once and no more.
 *
 * @module
 */
import { describeError, LimitError, type Log, WorldError } from "../base/mod.ts";
import type { AskService } from "../dmsg/mod.ts";
import type { HttpClient, HttpResponse } from "../http/mod.ts";
import { type Clock, withTimeout } from "../runtime/mod.ts";
import type { RequestSigner } from "./request_signer.ts";

/** One request over one way, body included. */
export const ASK_TIMEOUT_MS = 10_000;
/**
 * The same while another way is left: above a loaded round trip over dmsg, far below the patience of a start-up
 * that a silent discovery would otherwise hold up for the whole of the first way's bound.
 */
export const ASK_TIMEOUT_BEFORE_NEXT_MS = 4_000;
/** The largest answer that is taken. */
export const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
/** The largest answer about everything: 100,000 transports are some 30 MB. */
export const LARGE_ANSWER_BYTES_MAX = 96 * 1024 * 1024;
/** For such an answer; its head comes within the bound of every other one, so that a dead way costs no more. */
export const LARGE_ANSWER_MS = 60_000;

/** One way to a service. */
export interface ServiceWay {
  /** For logs: "dmsg" or "http". */
  readonly name: string;
  /** `http://host:port` without a path. */
  readonly origin: string;
  readonly client: HttpClient;
  /** False: not worth a try now, e.g. no dmsg session. */
  readonly isReady: () => boolean;
  /** Signs what must name its sender. Undefined: nothing is signed on this way. */
  readonly signer?: RequestSigner;
}

/** No way to the service led to an answer. */
export class ServiceUnreachableError extends WorldError {
  readonly code = "SERVICE_UNREACHABLE";
}

/**
 * Asks over the ways in their order. A way that answers, whatever the status, ends it. `onDate` is told how far
 * ahead of this machine's clock the service's is (behind: negative), as its answers say, in milliseconds.
 */
export function askOver(
  service: string,
  ways: readonly ServiceWay[],
  clock: Clock,
  log: Log,
  onDate: (aheadMs: number) => void = () => {},
): AskService {
  return async (
    { method, path, body, headers = [], isSigned = false, isUrgent = false, isLarge = false },
    signal,
  ) => {
    const failures: unknown[] = [];
    const ready = ways.filter((way) => way.isReady());

    async function ask({ name, origin, client, signer }: ServiceWay, headMs: number, ended?: AbortSignal) {
      const what = `${method} ${path} of the ${service} over ${name}`;
      const [afterMs, bytesMax] = isLarge
        ? [LARGE_ANSWER_MS, LARGE_ANSWER_BYTES_MAX]
        : [headMs, ANSWER_BYTES_MAX];
      const send = async (
        question: { method: string; path: string; body?: string },
        fields: readonly (readonly [string, string])[],
        ending: AbortSignal,
      ) => {
        const sent: (readonly [string, string])[] = [...fields];
        if (question.body !== undefined) sent.push(["Content-Type", "application/json"]);
        // What is posted says what shall be, not what shall change: the same twice is the same once.
        const request = {
          url: origin + question.path,
          method: question.method,
          headers: sent,
          body: question.body,
          repeatable: true,
        };
        const response = isLarge
          ? await withTimeout(
            clock,
            { what, afterMs: headMs },
            (late) => client.send(request, { signal: AbortSignal.any([ending, late]) }),
          )
          : await client.send(request, { signal: ending });
        const saidMs = Date.parse(response.headers.get("date") ?? "");
        if (!Number.isNaN(saidMs)) onDate(saidMs - clock.wallMs());
        return { status: response.status, text: await textOf(response, bytesMax) };
      };
      try {
        return await withTimeout(clock, { what, afterMs, signal: ended }, async (ending) => {
          if (!isSigned || signer === undefined) return await send({ method, path, body }, headers, ending);
          return await signer.send({
            body,
            exchange: (signed) => send({ method, path, body }, [...headers, ...signed], ending),
            askNonce: (noncePath) => send({ method: "GET", path: noncePath }, [], ending),
          }, ending);
        });
      } catch (error) {
        ended?.throwIfAborted();
        failures.push(error);
        log.debug("Service not reached", { service, way: name, cause: describeError(error) });
        return undefined;
      }
    }

    if (isUrgent) {
      const answer = await firstAnswer(
        ready.map((way) => (ended) => ask(way, ASK_TIMEOUT_MS, ended)),
        signal,
      );
      if (answer !== undefined) return answer;
    } else {
      for (const [index, way] of ready.entries()) {
        const afterMs = index + 1 < ready.length ? ASK_TIMEOUT_BEFORE_NEXT_MS : ASK_TIMEOUT_MS;
        const answer = await ask(way, afterMs, signal);
        if (answer !== undefined) return answer;
      }
    }
    throw new ServiceUnreachableError(`Cannot reach the ${service}`, {
      cause: failures.length === 1
        ? failures[0]
        : failures.length === 0
        ? new Error("no way to it is ready")
        : new AggregateError(failures, failures.map(describeError).join("; ")),
      hint: "skyctl visor status",
    });
  };
}

/** The body as text. It is decoded as it comes: of a large one there is never a second copy in bytes. */
async function textOf({ bodyReader }: HttpResponse, bytesMax: number): Promise<string> {
  const decoder = new TextDecoder();
  let [text, bytes] = ["", 0];
  try {
    for (let view = await bodyReader.read(); view !== null; view = await bodyReader.read()) {
      bytes += view.length;
      if (bytes > bytesMax) throw new LimitError(`The answer exceeds ${bytesMax} bytes`);
      text += decoder.decode(view, { stream: true });
    }
    return text + decoder.decode();
  } finally {
    bodyReader.discard();
  }
}

/** The first result that is one; the others are ended and waited for. Undefined when there is none. */
async function firstAnswer<T>(
  works: readonly ((signal: AbortSignal) => Promise<T | undefined>)[],
  signal: AbortSignal | undefined,
): Promise<T | undefined> {
  signal?.throwIfAborted();
  const ending = new AbortController();
  const onAbort = () => ending.abort(signal!.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  let first: T | undefined;
  const running = works.map(async (work) => {
    const result = await work(ending.signal).catch(() => undefined); // ended by us, or by the signal
    if (result === undefined || ending.signal.aborted) return;
    first = result;
    ending.abort(new DOMException("Another way was faster", "AbortError"));
  });
  await Promise.all(running);
  signal?.removeEventListener("abort", onAbort);
  if (first === undefined) signal?.throwIfAborted();
  return first;
}
