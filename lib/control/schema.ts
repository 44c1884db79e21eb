/**
 * The control API of a visor: one table of calls that types the client, validates at the server and describes
 * itself (`GET /v1/schema`). HTTP and JSON on loopback, with a bearer token:
 *
 *     curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:3435/v1/status
 *
 * Bodies are validated on both sides. 64-bit integers travel as text.
 *
 * @module
 */
import { z } from "zod";
import { NODE_CALLS, nodeStatusSchema } from "./node_schema.ts";
import { FETCH_PATH, fetchHeadSchema, fetchInputSchema } from "./fetch.ts";
import { CONTROL_STREAMS } from "./streams.ts";

const key = z.string().describe("public key, 66 hex characters");

/** One dmsg session. */
export const sessionSchema = z.object({
  server: key,
  remote: key.describe("the visor's own key on that session"),
  address: z.string(),
  postQuantum: z.boolean().describe("its handshake was the post-quantum hybrid"),
  streams: z.int(),
  uptimeMs: z.number(),
  bytesIn: z.number(),
  bytesOut: z.number(),
});

/** A thing that is wrong, with what to do about it. */
export const warningSchema = z.object({
  code: z.string(),
  text: z.string(),
  hint: z.string().optional(),
});

/** What a look at one part of a visor found. */
export const findingSchema = z.object({
  check: z.string(),
  severity: z.enum(["ok", "unknown", "warning", "error"]),
  text: z.string(),
  cause: z.string().optional(),
  next: z.string().optional().describe("what to do: a command, where there is one"),
});

/** A service that runs inside the visor's process, as with `--local`. */
export const hostedServiceSchema = z.object({
  name: z.string(),
  publicKey: key,
  address: z.string(),
  udpAddress: z.string().optional().describe("host:port of its UDP side, where it has one"),
  ready: z.boolean(),
});

/** What `visor status` shows. Everything is what is true at the moment of the call. */
export const statusSchema = z.object({
  publicKey: key,
  version: z.string(),
  ready: z.boolean().describe("at least one dmsg session is live and the own entry is published"),
  startedAtMs: z.number(),
  uptimeMs: z.number(),
  home: z.string(),
  deployment: z.object({ name: z.string(), file: z.string().optional() }),
  dmsg: z.object({
    ready: z.boolean(),
    sessions: z.array(sessionSchema),
    entry: z.object({
      published: z.boolean(),
      sequence: z.string().optional(),
      publishedAtMs: z.number().optional(),
      failure: z.string().optional(),
    }),
    lastFailure: z.string().optional(),
  }),
  node: nodeStatusSchema.describe("transports, routes and apps"),
  services: z.array(hostedServiceSchema),
  serving: z.array(z.object({ folder: z.string(), port: z.int() })),
  warnings: z.array(warningSchema),
});

/** A server as the discovery or the deployment names it. */
export const serverSchema = z.object({
  server: key,
  address: z.string(),
  availableSessions: z.number().optional(),
  serverType: z.string().optional(),
  connected: z.boolean(),
});

const connectResultSchema = z.object({
  server: key,
  address: z.string(),
  connected: z.boolean(),
  failure: z.string().optional(),
});

/** One call: how it travels, what goes in, what comes out. */
export interface ControlCall {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly input: z.ZodType;
  readonly output: z.ZodType;
  readonly about: string;
}

const nothing = z.object({});

/** Every call of the control API. Inputs of GET are query parameters, of POST a JSON body. */
export const CONTROL_CALLS = {
  status: {
    method: "GET",
    path: "/v1/status",
    input: nothing,
    output: statusSchema,
    about: "what is true of the visor now",
  },
  stop: {
    method: "POST",
    path: "/v1/stop",
    input: nothing,
    output: z.object({ stopping: z.boolean() }),
    about: "end the visor, in order",
  },
  doctor: {
    method: "POST",
    path: "/v1/doctor",
    input: nothing,
    output: z.array(findingSchema),
    about: "what is wrong with the visor, why, and what to do next",
  },
  dmsgSessions: {
    method: "GET",
    path: "/v1/dmsg/sessions",
    input: nothing,
    output: z.array(sessionSchema),
    about: "live dmsg sessions, oldest first",
  },
  dmsgConnectAll: {
    method: "POST",
    path: "/v1/dmsg/connect-all",
    input: nothing,
    output: z.array(connectResultSchema),
    about: "make a session with every server now",
  },
  dmsgServers: {
    method: "GET",
    path: "/v1/dmsg/servers",
    input: nothing,
    output: z.array(serverSchema),
    about: "every dmsg server of the deployment",
  },
  dmsgEntry: {
    method: "GET",
    path: "/v1/dmsg/entry",
    input: z.object({ key }),
    output: z.object({
      entry: z.string().nullable().describe("JSON text of the entry; null: there is none"),
    }),
    about: "a key's entry in the dmsg discovery",
  },
  dmsgPing: {
    method: "POST",
    path: "/v1/dmsg/ping",
    input: z.object({ key, count: z.int().min(1).max(1000).optional() }),
    output: z.object({ key, server: key, dialMs: z.number(), roundTripsMs: z.array(z.number()) }),
    about: "round trips to a key over a dmsg stream",
  },
  ...NODE_CALLS,
} as const satisfies Record<string, ControlCall>;

/** The name of a call. */
export type ControlName = keyof typeof CONTROL_CALLS;
/** What goes into a call. */
export type ControlInput<Name extends ControlName> = z.infer<(typeof CONTROL_CALLS)[Name]["input"]>;
/** What comes out of a call. */
export type ControlOutput<Name extends ControlName> = z.infer<(typeof CONTROL_CALLS)[Name]["output"]>;

export type VisorStatus = z.infer<typeof statusSchema>;
export type VisorFinding = z.infer<typeof findingSchema>;
export type VisorWarning = z.infer<typeof warningSchema>;
export type HostedService = z.infer<typeof hostedServiceSchema>;
export type ServerSummary = z.infer<typeof serverSchema>;
export type SessionSummary = z.infer<typeof sessionSchema>;

/** The description of every call and stream as JSON Schema, for people and generators. */
export function describeControl(): unknown {
  const calls = Object.entries(CONTROL_CALLS).map(([name, { method, path, about, input, output }]) =>
    [name, { method, path, about, input: z.toJSONSchema(input), output: z.toJSONSchema(output) }] as const
  );
  const streams = Object.entries(CONTROL_STREAMS).map(([name, { path, about, input, line }]) =>
    [name, { method: "POST", path, about, input: z.toJSONSchema(input), line: z.toJSONSchema(line) }] as const
  );
  const dmsgFetch = {
    method: "POST",
    path: FETCH_PATH,
    about: "one HTTP request over dmsg in the visor's name; the answer comes in frames, this one first",
    input: z.toJSONSchema(fetchInputSchema),
    output: z.toJSONSchema(fetchHeadSchema),
  };
  return Object.fromEntries<unknown>([...calls, ...streams, ["dmsgFetch", dmsgFetch]]);
}
