/**
 * The control API's streams: calls whose answer is lines of JSON for as long as the caller reads them.
 *
 *     {"event":"reply",...}     one line, one object
 *     {}                        a beat: so that either side notices that the other one is gone
 *     {"error":{...}}           the last line of a stream that failed
 *
 * @module
 */
import { z } from "zod";
import { hopSchema } from "./node_schema.ts";

/** Between two beats. */
export const STREAM_BEAT_MS = 5_000;
/** A caller that heard nothing for so long, no beat either, takes the visor for gone. */
export const STREAM_SILENCE_MS = 16_000;

/** Between two pings of a watch, at least: no more than 25 are under way then. */
export const PING_EVERY_MS_MIN = 200;
/** At most: rarer than this is no watching. */
export const PING_EVERY_MS_MAX = 3_600_000;

const key = z.string().describe("public key, 66 hex characters");
const atMs = z.number().describe("Unix time in milliseconds");
const ways = { forward: z.array(hopSchema), reverse: z.array(hopSchema) };

/** What happens to a route that is watched. */
export const pingEventSchema = z.discriminatedUnion("event", [
  z.object({ event: z.literal("dialling"), atMs }),
  z.object({ event: z.literal("route"), atMs, dialMs: z.number(), ...ways }),
  z.object({ event: z.literal("hops"), atMs, ...ways }).describe("the same route, measured anew"),
  z.object({ event: z.literal("reply"), atMs, sequence: z.int(), roundTripMs: z.number() }),
  z.object({ event: z.literal("lost"), atMs, sequence: z.int(), failure: z.string() }),
  z.object({ event: z.literal("routeEnded"), atMs, failure: z.string() }),
  z.object({
    event: z.literal("unreachable"),
    atMs,
    code: z.string(),
    failure: z.string(),
    retryMs: z.number(),
  }),
]);

/** One stream: how it is asked for, and what each of its lines is. */
export interface ControlStream {
  readonly path: string;
  readonly input: z.ZodType;
  readonly line: z.ZodType;
  readonly about: string;
}

/** The path at which a folder is served for as long as the answer is read: `{folder, port}` in, lines out. */
export const SERVE_PATH = "/v1/dmsg/serve";

/** Every stream. All are asked for by POST, with a body of JSON. */
export const CONTROL_STREAMS = {
  serve: {
    path: SERVE_PATH,
    input: z.object({ folder: z.string().min(1), port: z.int().min(1).max(65_535) }),
    line: z.object({ serving: z.literal(true) }),
    about: "serve a folder over dmsg for as long as the answer is read",
  },
  visorPingWatch: {
    path: "/v1/visor/ping/watch",
    input: z.object({
      key,
      intervalMs: z.number().min(PING_EVERY_MS_MIN).max(PING_EVERY_MS_MAX).optional(),
      minHops: z.int().min(1).max(64).optional(),
      forward: z.array(z.string()).max(64).optional(),
      reverse: z.array(z.string()).max(64).optional(),
    }),
    line: pingEventSchema,
    about: "keep a route to a visor up and ping over it for as long as the answer is read",
  },
  log: {
    path: "/v1/log",
    input: z.object({
      key: key.optional().describe("whose; default: this visor's own"),
      minLevel: z.enum(["debug", "info", "warn", "error"]).optional(),
      module: z.string().max(256).optional().describe("and its parts: dmsg is dmsg.client, too"),
      grep: z.string().max(1_024).optional().describe("a text that must be in the line, as it is"),
      limit: z.int().min(1).max(100_000).optional(),
      follow: z.boolean().optional(),
    }),
    line: z.union([
      z.object({ lines: z.array(z.string()) }).describe(
        "the next lines, oldest first; with follow none: all that was is told",
      ),
      z.object({ event: z.literal("gone"), failure: z.string() })
        .describe("with follow: whose log it is cannot be reached; it is waited for"),
      z.object({ event: z.literal("back") }).describe("it is there again"),
    ]),
    about: "lines of the visor's log, or of another visor's or service's that trusts this one",
  },
} as const satisfies Record<string, ControlStream>;

/** The name of a stream. */
export type StreamName = keyof typeof CONTROL_STREAMS;
export type StreamInput<Name extends StreamName> = z.infer<(typeof CONTROL_STREAMS)[Name]["input"]>;
export type StreamLine<Name extends StreamName> = z.infer<(typeof CONTROL_STREAMS)[Name]["line"]>;
export type PingEvent = z.infer<typeof pingEventSchema>;
