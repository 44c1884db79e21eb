/**
 * The control API's server: loopback, bearer token, every call of the schema.
 *
 * @module
 */
import { describeError, type Log, SkyError } from "../base/mod.ts";
import {
  CONTROL_CALLS,
  ControlCallError,
  type ControlInput,
  ControlInputError,
  type ControlName,
  type ControlOutput,
  ControlTokenError,
  describeControl,
  SERVE_PATH,
  serveInputSchema,
} from "../control/mod.ts";
import { sha256 } from "../crypto/mod.ts";
import { HttpError } from "../http/mod.ts";
import { z } from "zod";

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
  /** Mounts a folder; the returned function takes it off. Errors: the port is taken, the folder is none. */
  readonly mount: (input: { folder: string; port: number }) => Promise<() => void>;
  readonly log: Log;
  /** Every so often a mounted folder's answer gets a line, so that a caller that is gone is noticed. */
  readonly every: (intervalMs: number, tick: () => void) => () => void;
}

/** Between two lines of a mounted folder's answer. */
export const SERVE_BEAT_MS = 5_000;

const SCHEMA_PATH = "/v1/schema";
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
  if (method === "POST" && url.pathname === SERVE_PATH) return await serve(request, options);
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
  const own = path === SCHEMA_PATH ? ["GET"] : path === SERVE_PATH ? ["POST"] : [];
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

/** Serves a folder for as long as the caller reads the answer: its end, or ours, takes the folder off. */
async function serve(request: Request, { mount, every }: ControlHandlerOptions): Promise<Response> {
  const unmount = await mount(parsed(serveInputSchema, await inputOf(request, new URL(request.url))));
  const encoder = new TextEncoder();
  const left = new AbortController();
  let stop = () => {};
  const end = () => {
    left.abort();
    stop();
    unmount();
  };
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encoder.encode('{"serving":true}\n'));
      stop = every(SERVE_BEAT_MS, () => controller.enqueue(encoder.encode("{}\n")));
      // The caller left, or the visor stops: the answer must end too, or the server would wait for it.
      const leave = () => {
        end();
        controller.close();
      };
      request.signal.addEventListener("abort", leave, { once: true, signal: left.signal });
    },
    cancel: end,
  });
  return new Response(body, { headers: { "Content-Type": "application/x-ndjson" } });
}

function failed(error: unknown, log: Log): Response {
  if (error instanceof HttpError) throw error; // the body itself broke a rule of HTTP: the server knows the answer
  if (error instanceof SkyError) {
    const { code, fault, hint } = error;
    const status = error instanceof ControlTokenError
      ? 401
      : error instanceof ControlCallError
      ? (error.allowed.length > 0 ? 405 : 404)
      : STATUS_OF[fault];
    const headers = error instanceof ControlCallError && error.allowed.length > 0
      ? { Allow: error.allowed.join(", ") }
      : undefined;
    return Response.json({ error: { code, fault, message: describeError(error), hint } }, {
      status,
      headers,
    });
  }
  log.error("A control call failed", { cause: describeError(error) });
  const message = "The visor failed at this call; its log says more";
  return Response.json({ error: { code: "INTERNAL", fault: "peer", message } }, { status: 500 });
}
