/** The control API over a simulated network: its server in lib/visor, its client here. */
import assert from "node:assert/strict";
import { CallerError, PeerError, silentLog, untilAborted, WorldError } from "../../lib/base/mod.ts";
import {
  CONTROL_CALLS,
  CONTROL_STREAMS,
  ControlClient,
  describeControl,
  SERVE_PATH,
} from "../../lib/control/mod.ts";
import { type AnyHandler, HttpClient, serveHttp } from "../../lib/http/mod.ts";
import type { World } from "../../lib/runtime/mod.ts";
import {
  type ControlActions,
  controlHandler,
  type ControlHandlerOptions,
  type StreamActions,
} from "../../lib/visor/control_server.ts";
import { CONTROL_BODY_BYTES_MAX } from "../../lib/visor/_control_when_called.ts";
import { withSimulation } from "../support/world.ts";

const TOKEN = "ab".repeat(32);
const KEY = "02".padEnd(66, "0");

class Own extends CallerError {
  readonly code = "OWN_FAULT";
}
class Away extends WorldError {
  readonly code = "AWAY";
}
class Odd extends PeerError {
  readonly code = "ODD_PEER";
}

interface Rig {
  readonly world: World;
  readonly client: ControlClient;
  /** One plain request. */
  send(
    method: string,
    path: string,
    options?: { readonly token?: string; readonly body?: string | Uint8Array },
  ): Promise<
    { status: number; allow: string | undefined; json: () => Record<string, unknown>; text: string }
  >;
}

/** Runs `test` against a control API whose actions are given; what is not given fails the test. */
function withApi(
  actions: Partial<ControlActions>,
  test: (rig: Rig) => Promise<void>,
  options: Partial<ControlHandlerOptions> & { readonly handler?: AnyHandler } = {},
): Promise<void> {
  return withSimulation(1, async (simulation) => {
    const world = simulation.node("alice");
    await simulation.run(async () => {
      const listener = await world.network.listen({ hostname: "127.0.0.1", port: 0 });
      const handler = options.handler ?? controlHandler({
        token: TOKEN,
        actions: actions as ControlActions,
        streams: {} as StreamActions,
        fetch: () => Promise.reject(new Away("Nothing is fetched here")),
        stopping: new AbortController().signal,
        log: silentLog,
        every: () => () => {},
        ...options,
      });
      const server = serveHttp(listener, handler, {
        world,
        limits: { bodyBytesMax: CONTROL_BODY_BYTES_MAX },
      });
      const control = { address: listener.address, token: TOKEN, publicKey: KEY };
      const http = new HttpClient({
        clock: world.clock,
        ledger: world.ledger,
        dial: (_authority, signal) => world.network.dial(listener.address, { signal }),
      });
      const client = new ControlClient(control, "/home", world);
      await test({
        world,
        client,
        async send(method, path, { token = TOKEN, body } = {}) {
          const response = await http.send({
            url: `http://127.0.0.1${path}`,
            method,
            headers: token === "" ? [] : [["Authorization", `Bearer ${token}`]],
            body,
          });
          const text = await response.text(1 << 20);
          return {
            status: response.status,
            allow: response.headers.get("allow"),
            json: () => JSON.parse(text).error,
            text,
          };
        },
      });
      await client.close();
      await http.close();
      await server.close();
    });
  });
}

Deno.test("whoever lacks the token learns nothing: not the status, the schema, nor which calls there are", () =>
  withApi({}, async ({ send }) => {
    const texts = new Set<string>();
    for (const token of ["", "x", TOKEN.slice(1), TOKEN + "0", TOKEN.toUpperCase()]) {
      for (const path of ["/v1/status", "/v1/schema", "/v1/none", SERVE_PATH, "/"]) {
        for (const method of ["GET", "POST"]) {
          const { status, text } = await send(method, path, { token });
          assert.equal(status, 401, `${method} ${path}`);
          texts.add(text);
        }
      }
    }
    assert.equal(texts.size, 1);
    assert.match([...texts][0]!, /"code":"CONTROL_TOKEN"/);
  }));

Deno.test("unknown calls are 404, other methods of a call 405 with what is allowed", () =>
  withApi({}, async ({ send }) => {
    for (const path of ["/", "/v1", "/v1/none", "/v1/status/", "/V1/status", "/v2/status"]) {
      const { status, json } = await send("GET", path);
      assert.deepEqual([status, json().code, json().fault], [404, "CONTROL_CALL", "caller"], path);
    }
    const wrong = [["POST", "/v1/status", "GET"], ["GET", "/v1/stop", "POST"], [
      "DELETE",
      "/v1/stop",
      "POST",
    ]];
    for (
      const [method, path, allowed] of [...wrong, ["GET", SERVE_PATH, "POST"], ["PUT", "/v1/schema", "GET"]]
    ) {
      const { status, allow, json } = await send(method!, path!);
      assert.deepEqual([status, allow, json().code], [405, allowed, "CONTROL_CALL"], `${method} ${path}`);
    }
  }));

/** Method, path, body. */
const BAD_INPUTS: readonly (readonly [string, string, string | undefined])[] = [
  ["POST", "/v1/dmsg/ping", "{"],
  ["POST", "/v1/dmsg/ping", "null"],
  ["POST", "/v1/dmsg/ping", "[]"],
  ["POST", "/v1/dmsg/ping", "{}"],
  ["POST", "/v1/dmsg/ping", '{"key":7}'],
  ["POST", "/v1/dmsg/ping", `{"key":"${KEY}","count":0}`],
  ["POST", "/v1/dmsg/ping", `{"key":"${KEY}","count":1.5}`],
  ["POST", "/v1/dmsg/ping", `{"key":"${KEY}","count":1001}`],
  ["GET", "/v1/dmsg/entry", undefined],
  ["POST", SERVE_PATH, '{"folder":"","port":80}'],
  ["POST", SERVE_PATH, '{"folder":"/x","port":0}'],
  ["POST", SERVE_PATH, '{"folder":"/x","port":65536}'],
];

Deno.test("input that is not what the schema says is refused, before anything is done", () =>
  withApi({}, async ({ send }) => {
    for (const [method, path, body] of BAD_INPUTS) {
      const { status, json } = await send(method, path, { body });
      assert.deepEqual([status, json().code], [400, "CONTROL_INPUT"], `${path} ${body}`);
    }
    assert.equal(
      (await send("POST", "/v1/stop", { body: new Uint8Array(CONTROL_BODY_BYTES_MAX + 1) })).status,
      413,
    );
    assert.equal(BAD_INPUTS.length, 12);
  }));

Deno.test("a failure keeps its code, its fault and its hint on the way to the caller", () => {
  const cause = new Error("deeper");
  const failures: [Error, number, string][] = [
    [new Own("mine", { cause, hint: "do this" }), 400, "caller"],
    [new Away("not there", { cause, hint: "do this" }), 503, "world"],
    [new Odd("it lies", { cause, hint: "do this" }), 502, "peer"],
  ];
  let next = 0;
  const stop = () => {
    throw failures[next]![0];
  };
  return withApi({ stop }, async ({ client }) => {
    for (const [error, status, fault] of failures) {
      const { code } = error as Own;
      await assert.rejects(client.call("stop", {}), { code, status, fault, hint: "do this" });
      await assert.rejects(client.call("stop", {}), { message: `${error.message}: deeper` });
      next++;
    }
  });
});

Deno.test("a defect of the visor is 500 without its text, which its log has", () => {
  const logged: string[] = [];
  const log = {
    ...silentLog,
    error: (message: string, fields = {}) => void logged.push(message + JSON.stringify(fields)),
  };
  const status = () => {
    throw new TypeError("secret detail");
  };
  return withApi({ status }, async ({ client, send }) => {
    const answer = await send("GET", "/v1/status");
    assert.deepEqual([answer.status, answer.json().code], [500, "INTERNAL"]);
    assert(!answer.text.includes("secret detail"));
    assert.match(logged[0]!, /secret detail/);
    await assert.rejects(client.call("status", {}), { code: "INTERNAL" });
  }, { log });
});

Deno.test("a caller that leaves before its answer is no failure of the visor", async () => {
  const logged: string[] = [];
  const begun = Promise.withResolvers<void>();
  const visorPing: ControlActions["visorPing"] = (_input, signal) => {
    begun.resolve();
    return new Promise((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason), { once: true })
    );
  };
  const handler = controlHandler({
    token: TOKEN,
    actions: { visorPing } as ControlActions,
    streams: {} as StreamActions,
    fetch: () => Promise.reject(new Away("Nothing is fetched here")),
    stopping: new AbortController().signal,
    log: { ...silentLog, error: (message) => void logged.push(message) },
    every: () => () => {},
  });
  const leaving = new AbortController();
  const answer = handler(
    new Request("http://127.0.0.1/v1/visor/ping", {
      method: "POST",
      headers: { Authorization: `Bearer ${TOKEN}` },
      body: JSON.stringify({ key: KEY }),
      signal: leaving.signal,
    }),
  );
  await begun.promise;
  leaving.abort(new DOMException("Client left", "AbortError")); // as the HTTP server does
  assert.deepEqual([(await answer).status, logged], [499, []]);
});

Deno.test("ControlClient tells answers of another version, or of another program, from a visor's", () => {
  const answers = [
    new Response("[]", { status: 200 }),
    new Response("<html>", { status: 200 }),
    new Response("<html>", { status: 500 }),
    Response.json({ error: { code: "X" } }, { status: 400 }),
  ];
  const count = answers.length;
  let asked = 0;
  return withApi({}, async ({ client }) => {
    for (let index = 0; index < count; index++) {
      await assert.rejects(client.call("status", {}), { code: "CONTROL_ANSWER", fault: "peer" });
    }
    assert.equal(asked, count);
  }, { handler: () => answers[asked++]! });
});

const silent = (_input: unknown, signal: AbortSignal) =>
  new Promise<never>((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

Deno.test("ControlClient gives up on a visor that does not answer, within its bound", () =>
  withApi({ stop: silent, counters: silent, dmsgConnectAll: silent }, async ({ client, world }) => {
    const bounds = [["stop", 10_000], ["counters", 10_000], ["dmsgConnectAll", 60_000]] as const;
    for (const [call, afterMs] of bounds) {
      const startedMs = world.clock.monotonicMs();
      await assert.rejects(client.call(call, {}), { code: "TIMED_OUT", afterMs });
      assert.equal(Math.round(world.clock.monotonicMs() - startedMs), afterMs);
    }
    const left = AbortSignal.abort(new DOMException("Interrupted", "AbortError"));
    await assert.rejects(client.call("stop", {}, left), { name: "AbortError" });
  }));

Deno.test("inputs and outputs travel as the schema says, of GET in the query", () => {
  const got: unknown[] = [];
  return withApi({
    dmsgEntry: (input) => {
      got.push(input);
      return { entry: null };
    },
    dmsgPing: (input) => {
      got.push(input);
      return { key: KEY, server: KEY, dialMs: 1, roundTripsMs: [1, 2] };
    },
  }, async ({ client }) => {
    assert.deepEqual(await client.call("dmsgEntry", { key: KEY }), { entry: null });
    const pinged = await client.call("dmsgPing", { key: KEY, count: 2 });
    assert.deepEqual(pinged.roundTripsMs, [1, 2]);
    assert.deepEqual(got, [{ key: KEY }, { key: KEY, count: 2 }]);
  });
});

Deno.test("GET /v1/schema describes every call", () =>
  withApi({}, async ({ send }) => {
    const { status, text } = await send("GET", "/v1/schema");
    assert.equal(status, 200);
    const schema = JSON.parse(text);
    const names = [...Object.keys(CONTROL_CALLS), ...Object.keys(CONTROL_STREAMS), "dmsgFetch"];
    assert.deepEqual(Object.keys(schema), names);
    assert.deepEqual(schema, JSON.parse(JSON.stringify(describeControl())));
    const described = Object.values<Record<string, unknown>>(schema);
    for (const { method, path, about, output, line } of described) {
      assert(["GET", "POST"].includes(method as string) && String(path).startsWith("/v1/"));
      assert(String(about).length > 10 && typeof (output ?? line) === "object");
    }
    const paths = described.map(({ method, path }) => `${method} ${path}`);
    assert.equal(new Set(paths).size, paths.length);
  }));

Deno.test("a lease whose caller left while its folder was mounted is ended at once", () => {
  const mounting = Promise.withResolvers<void>();
  const mounted = Promise.withResolvers<void>();
  let off = 0;
  let ticking = 0;
  return withApi({}, async ({ client }) => {
    const left = new AbortController();
    const serving = client.stream("serve", { folder: "/x", port: 80 }, left.signal).next();
    await mounting.promise;
    left.abort(new DOMException("Interrupted", "AbortError"));
    await assert.rejects(serving, { name: "AbortError" });
    mounted.resolve();
  }, {
    streams: {
      async serve(_input, tell, signal) {
        mounting.resolve();
        await mounted.promise;
        tell({ serving: true });
        await untilAborted(signal);
        off++;
      },
    } as Partial<StreamActions> as StreamActions,
    every: () => {
      ticking++;
      return () => ticking--;
    },
  }).then(() => assert.deepEqual([off > 0, ticking], [true, 0]));
});
