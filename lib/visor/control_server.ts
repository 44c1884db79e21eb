/**
 * The control API's server: loopback, bearer token, every call of the schema.
 *
 * @module
 */
import { describeError, type Log, SkyError } from "../base/mod.ts";
import {
  CONTROL_CALLS,
  type ControlInput,
  type ControlName,
  type ControlOutput,
  describeControl,
  SERVE_PATH,
  serveInputSchema,
} from "../control/mod.ts";
import { sha256 } from "../crypto/mod.ts";
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

/** The handler. Whoever lacks the token learns nothing. */
export function controlHandler(options: ControlHandlerOptions): (request: Request) => Promise<Response> {
  const calls = new Map(
    Object.entries(CONTROL_CALLS).map(([name, call]) => [`${call.method} ${call.path}`, name as ControlName]),
  );
  return async (request) => {
    const url = new URL(request.url);
    if (!isAuthorized(request, options.token)) {
      return failure(401, "UNAUTHORIZED", "The token is missing or wrong");
    }
    try {
      if (request.method === "GET" && url.pathname === "/v1/schema") return Response.json(describeControl());
      if (request.method === "POST" && url.pathname === SERVE_PATH) return await serve(request, options);
      const name = calls.get(`${request.method} ${url.pathname}`);
      if (name === undefined) {
        return failure(404, "NO_SUCH_CALL", `${request.method} ${url.pathname} is no call`);
      }
      const input = CONTROL_CALLS[name].input.parse(await inputOf(request, url));
      const action = options.actions[name] as (input: unknown, signal: AbortSignal) => unknown;
      return Response.json(await action(input, request.signal));
    } catch (error) {
      return failed(error, options.log);
    }
  };
}

async function inputOf(request: Request, url: URL): Promise<unknown> {
  if (request.method === "GET") return Object.fromEntries(url.searchParams);
  const text = await request.text();
  return text === "" ? {} : JSON.parse(text);
}

/** Compared by hash, so that the time taken says nothing about the token. */
function isAuthorized(request: Request, token: string): boolean {
  const given = request.headers.get("authorization") ?? "";
  const encoder = new TextEncoder();
  const expected = sha256(encoder.encode(`Bearer ${token}`));
  return sha256(encoder.encode(given)).every((byte, index) => byte === expected[index]);
}

async function serve(request: Request, { mount, every }: ControlHandlerOptions): Promise<Response> {
  const unmount = await mount(serveInputSchema.parse(await inputOf(request, new URL(request.url))));
  const encoder = new TextEncoder();
  let stop = () => {};
  const end = () => {
    stop();
    unmount();
  };
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encoder.encode('{"serving":true}\n'));
      stop = every(SERVE_BEAT_MS, () => controller.enqueue(encoder.encode("{}\n")));
      // The caller left, or the visor stops: the answer must end too, or the server would wait for it.
      request.signal.addEventListener("abort", () => {
        end();
        controller.close();
      }, { once: true });
    },
    cancel: end,
  });
  return new Response(body, { headers: { "Content-Type": "application/x-ndjson" } });
}

function failed(error: unknown, log: Log): Response {
  if (error instanceof z.ZodError) return failure(400, "BAD_INPUT", z.prettifyError(error));
  if (error instanceof SyntaxError) return failure(400, "BAD_INPUT", "The body is not JSON");
  if (error instanceof SkyError) {
    const status = error.fault === "caller" ? 400 : error.fault === "peer" ? 502 : 503;
    return failure(status, error.code, describeError(error), error.hint);
  }
  log.error("A control call failed", { cause: describeError(error) });
  return failure(500, "INTERNAL", "The visor failed at this call; its log says more");
}

function failure(status: number, code: string, message: string, hint?: string): Response {
  return Response.json({ error: { code, message, hint } }, { status });
}
