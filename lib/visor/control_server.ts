/**
 * The control API's server: loopback, bearer token, every call of the schema.
 *
 * @module
 */
import { describeError, type Log, SkyError } from "../base/mod.ts";
import {
  CONTROL_CALLS,
  CONTROL_STREAMS,
  ControlCallError,
  type ControlInput,
  ControlInputError,
  type ControlName,
  type ControlOutput,
  ControlTokenError,
  describeControl,
  FETCH_PATH,
  fetchInputSchema,
  type StreamName,
} from "../control/mod.ts";
import { sha256 } from "../crypto/mod.ts";
import { HttpError } from "../http/mod.ts";
import { z } from "zod";
import { type FetchAction, fetched } from "./_control_fetch.ts";
import { errorOf, type StreamActions, streamed, type StreamedOptions } from "./_control_streams.ts";

export type { FetchAction, StreamActions };

/** What each call does. */
export type ControlActions = {
  readonly [Name in ControlName]: (
    input: ControlInput<Name>,
    signal: AbortSignal,
  ) => Promise<ControlOutput<Name>> | ControlOutput<Name>;
};

export interface ControlHandlerOptions {
  readonly token: string;
  readonly actions: ControlActions;
  readonly streams: StreamActions;
  readonly fetch: FetchAction;
  /** Aborted when the visor stops: streams end then, in order; that of the log ends itself, behind the last line. */
  readonly stopping: AbortSignal;
  readonly log: Log;
  /** For the beats of a stream, so that a caller that is gone is noticed. */
  readonly every: StreamedOptions["every"];
}

const SCHEMA_PATH = "/v1/schema";
const STREAM_NAMES = Object.keys(CONTROL_STREAMS) as StreamName[];
type StreamAction = (input: unknown, tell: (line: unknown) => void, signal: AbortSignal) => Promise<void>;
const STATUS_OF = { caller: 400, peer: 502, world: 503 } as const;

/** The handler. Whoever lacks the token learns nothing. */
export function controlHandler(options: ControlHandlerOptions): (request: Request) => Promise<Response> {
  return async (request) => {
    try {
      if (!isAuthorized(request, options.token)) throw new ControlTokenError();
      return await answer(request, options);
    } catch (error) {
      const { aborted, reason } = request.signal;
      if (aborted && error === reason) return new Response(null, { status: 499 }); // nobody is there to read it
      return failed(error, options.log);
    }
  };
}

async function answer(request: Request, options: ControlHandlerOptions): Promise<Response> {
  const url = new URL(request.url);
  const { method } = request;
  if (method === "GET" && url.pathname === SCHEMA_PATH) return Response.json(describeControl());
  const stream = STREAM_NAMES.find((each) => CONTROL_STREAMS[each].path === url.pathname);
  if (stream !== undefined && method === "POST") {
    const input = parsed<unknown>(CONTROL_STREAMS[stream].input, await inputOf(request, url));
    const { streams, stopping, every, log } = options;
    const action = streams[stream] as StreamAction;
    const callerSignal = stream === "log" ? request.signal : AbortSignal.any([request.signal, stopping]);
    return await streamed(
      (tell, signal) => logged(action(input, tell, signal), signal, log),
      { callerSignal, every },
    );
  }
  if (url.pathname === FETCH_PATH && method === "POST") {
    const input = parsed(fetchInputSchema, await inputOf(request, url));
    const { stopping, every, log } = options;
    const callerSignal = AbortSignal.any([request.signal, stopping]);
    return fetched((signal) => options.fetch(input, signal), { callerSignal, every, log });
  }
  const names = Object.keys(CONTROL_CALLS) as ControlName[];
  const name = names.find((each) =>
    CONTROL_CALLS[each].method === method && CONTROL_CALLS[each].path === url.pathname
  );
  if (name === undefined) throw new ControlCallError(method, url.pathname, methodsOf(url.pathname));
  const input = parsed<unknown>(CONTROL_CALLS[name].input, await inputOf(request, url));
  const action = options.actions[name] as (input: unknown, signal: AbortSignal) => unknown;
  return Response.json(await action(input, request.signal));
}

/** By which methods a path is a call. */
function methodsOf(path: string): string[] {
  const isStream = path === FETCH_PATH ||
    STREAM_NAMES.some((name) => CONTROL_STREAMS[name].path === path);
  const own = path === SCHEMA_PATH ? ["GET"] : isStream ? ["POST"] : [];
  return [
    ...own,
    ...Object.values(CONTROL_CALLS).filter((call) => call.path === path).map(({ method }) => method),
  ];
}

async function inputOf(request: Request, url: URL): Promise<unknown> {
  if (request.method === "GET") return Object.fromEntries(url.searchParams);
  const text = await request.text();
  try {
    return text === "" ? {} : JSON.parse(text);
  } catch {
    throw new ControlInputError("The body is not JSON");
  }
}

function parsed<T>(schema: z.ZodType<T>, input: unknown): T {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  throw new ControlInputError(z.prettifyError(result.error).replaceAll("\n", " "));
}

/** Compared by hash, so that the time taken says nothing about the token. */
function isAuthorized(request: Request, token: string): boolean {
  const given = request.headers.get("authorization") ?? "";
  const encoder = new TextEncoder();
  const expected = sha256(encoder.encode(`Bearer ${token}`));
  return sha256(encoder.encode(given)).every((byte, index) => byte === expected[index]);
}

function failed(error: unknown, log: Log): Response {
  if (error instanceof HttpError) throw error; // the body itself broke a rule of HTTP: the server knows the answer
  if (error instanceof SkyError) {
    const status = error instanceof ControlTokenError
      ? 401
      : error instanceof ControlCallError
      ? (error.allowed.length > 0 ? 405 : 404)
      : STATUS_OF[error.fault];
    const headers = error instanceof ControlCallError && error.allowed.length > 0
      ? { Allow: error.allowed.join(", ") }
      : undefined;
    return Response.json({ error: errorOf(error) }, { status, headers });
  }
  log.error("A control call failed", { cause: describeError(error) });
  return Response.json({ error: errorOf(error) }, { status: 500 });
}

/** A defect in the middle of a stream has no status any more: the log has its text. */
async function logged(work: Promise<void>, signal: AbortSignal, log: Log): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof SkyError) && !signal.aborted) {
      log.error("A control stream failed", { cause: describeError(error) });
    }
    throw error;
  }
}
