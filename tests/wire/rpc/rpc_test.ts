import assert from "node:assert/strict";
import {
  type Conn,
  ConnClosedError,
  ConnResetError,
  LimitError,
  MalformedError,
  memoryPair,
  TimedOutError,
  WorldError,
} from "../../../lib/base/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { gobSlice, gobStruct, gobUint } from "../../../lib/wire/gob/mod.ts";
import { ConnReader } from "../../../lib/wire/mod.ts";
import {
  CLIENT_CALLS_MAX,
  ERROR_TEXT_CHARS_MAX,
  RpcClient,
  RpcError,
  rpcMethod,
  type RpcMethods,
  RpcShutDownError,
  SERVER_CALLS_MAX,
  serveRpc,
} from "../../../lib/wire/rpc/mod.ts";

const U32 = gobUint(32);
const PAIR = gobStruct("Pair", { A: U32, B: U32 });
const LIST = gobSlice("", U32);

const methods: RpcMethods = {
  "Math.Sum": rpcMethod({ argument: PAIR, reply: U32, handle: ({ A, B }) => A + B }),
  "Math.Range": rpcMethod({
    argument: U32,
    reply: LIST,
    handle: (n) => Array.from({ length: n }, (_, at) => at),
  }),
  "Math.Refuse": rpcMethod({
    argument: U32,
    reply: U32,
    handle: () => {
      throw new MalformedError("no such number");
    },
  }),
  "Math.Break": rpcMethod({
    argument: U32,
    reply: U32,
    handle: () => {
      throw new Error("secret of the machine");
    },
  }),
};

interface Rig {
  readonly clock: VirtualClock;
  readonly client: RpcClient;
  /** The other end of the client's connection. */
  readonly far: Conn;
}

/** A client with nobody at the other end. */
function alone(options: { callTimeoutMs?: number } = {}): Rig {
  const clock = new VirtualClock();
  const [near, far] = memoryPair();
  return { clock, far, client: new RpcClient(near, { world: { clock }, ...options }) };
}

async function withServer(test: (rig: Rig) => Promise<void>, served: RpcMethods = methods): Promise<void> {
  const rig = alone();
  const serving = serveRpc(rig.far, served);
  await test(rig);
  rig.client.close();
  await Promise.all([serving, rig.client.closed]);
}

Deno.test("calls of several types on one connection, one after the other and at once", () =>
  withServer(async ({ client }) => {
    assert.equal(await client.call("Math.Sum", PAIR, { A: 2, B: 3 }, U32), 5);
    assert.deepEqual(await client.call("Math.Range", U32, 3, LIST), [0, 1, 2]);
    const sums = Array.from({ length: 20 }, (_, at) => client.call("Math.Sum", PAIR, { A: at, B: at }, U32));
    assert.deepEqual(await Promise.all(sums), Array.from({ length: 20 }, (_, at) => 2 * at));
    assert.equal(client.isOpen, true);
  }));

Deno.test("refusals have Go's texts, and the connection stays usable", () =>
  withServer(async ({ client }) => {
    const refused = async (method: string, text: string | RegExp) => {
      await assert.rejects(client.call(method, U32, 1, U32), (error) => {
        assert(error instanceof RpcError);
        if (typeof text === "string") assert.equal(error.text, text);
        else assert.match(error.text, text);
        return true;
      });
    };
    await refused("Physics.Sum", "rpc: can't find service Physics.Sum");
    await refused("Math.Product", "rpc: can't find method Math.Product");
    await refused("constructor", "rpc: service/method request ill-formed: constructor");
    await refused("Math.Refuse", "no such number");
    await refused("Math.Break", "internal error"); // a defect's message is nobody's business
    await refused("Math.Sum", /is not a struct/); // an argument of another type
    assert.equal(await client.call("Math.Sum", PAIR, { A: 2, B: 3 }, U32), 5);
  }));

Deno.test("a reply of another type fails its call alone", () =>
  withServer(async ({ client }) => {
    await assert.rejects(client.call("Math.Sum", PAIR, { A: 1, B: 1 }, LIST), MalformedError);
    assert.equal(await client.call("Math.Sum", PAIR, { A: 1, B: 1 }, U32), 2);
  }));

Deno.test("a call that is given up leaves the connection to the others", () => {
  const gates: (() => void)[] = [];
  const slow = rpcMethod({
    argument: U32,
    reply: U32,
    handle: (value: number) => new Promise<number>((resolve) => gates.push(() => resolve(value))),
  });
  return withServer(async ({ client }) => {
    const controller = new AbortController();
    const given = client.call("Slow.Echo", U32, 1, U32, { signal: controller.signal });
    const kept = client.call("Slow.Echo", U32, 2, U32);
    while (gates.length < 2) await Promise.resolve();
    const reason = new ConnClosedError(undefined, "not wanted");
    controller.abort(reason);
    await assert.rejects(given, (error) => error === reason);
    for (const open of gates) open();
    assert.equal(await kept, 2);
    await assert.rejects(
      client.call("Slow.Echo", U32, 1, U32, { signal: controller.signal }),
      ConnClosedError,
    );
  }, { "Slow.Echo": slow });
});

Deno.test("a call without an answer ends after its time, and the connection with it", async () => {
  const { clock, client, far } = alone({ callTimeoutMs: 5_000 });
  const late = assert.rejects(client.call("Math.Sum", PAIR, { A: 1, B: 1 }, U32), TimedOutError);
  await clock.advance(4_999);
  assert.equal(client.isOpen, true);
  await clock.advance(1);
  await late;
  await assert.rejects(client.call("Math.Sum", PAIR, { A: 1, B: 1 }, U32), RpcShutDownError);
  far.close();
  await client.closed;
});

Deno.test("the end of the connection is told by Go's text to calls under way and to later ones", async () => {
  const { client, far } = alone();
  const pending = assert.rejects(
    client.call("Math.Sum", PAIR, { A: 1, B: 1 }, U32),
    (error) => error instanceof RpcShutDownError && error.message === "connection is shut down",
  );
  await far.closeWrite();
  await pending;
  assert.equal(client.isOpen, false);
  await assert.rejects(client.call("Math.Sum", PAIR, { A: 1, B: 1 }, U32), RpcShutDownError);
  far.close();
  await client.closed;
});

Deno.test("an answer to a call that was never made ends the connection", async () => {
  const { client, far } = alone();
  const [near2, far2] = memoryPair();
  const other = new RpcClient(near2, { world: { clock: new VirtualClock() } });
  const serving = serveRpc(far2, methods);
  await other.call("Math.Sum", PAIR, { A: 1, B: 1 }, U32);
  other.close();
  await serving;
  // Header with Seq 7, then its empty struct.
  const reader = new ConnReader(far);
  const calling = assert.rejects(client.call("Math.Sum", PAIR, { A: 1, B: 1 }, U32), (error) => {
    assert(error instanceof RpcShutDownError);
    assert(error.cause instanceof MalformedError);
    return true;
  });
  await reader.readExactly(10);
  const { GobEncoder } = await import("../../../lib/wire/gob/mod.ts");
  const { NO_REPLY, RESPONSE } = await import("../../../lib/wire/rpc/_messages.ts");
  const encoder = new GobEncoder();
  await far.write(encoder.encode(RESPONSE, { ServiceMethod: "Math.Sum", Seq: 7n, Error: "no" }));
  await far.write(encoder.encode(NO_REPLY, {}));
  await calling;
  far.close();
  await client.closed;
});

Deno.test("too many calls at once are refused by the client, and wait at the server", async () => {
  let running = 0, most = 0;
  const gates: (() => void)[] = [];
  const slow = rpcMethod({
    argument: U32,
    reply: U32,
    async handle(value: number) {
      most = Math.max(most, ++running);
      await new Promise<void>((resolve) => gates.push(resolve));
      running--;
      return value;
    },
  });
  await withServer(async ({ client }) => {
    const calls = Array.from({ length: CLIENT_CALLS_MAX }, (_, at) => client.call("Slow.Echo", U32, at, U32));
    await assert.rejects(client.call("Slow.Echo", U32, 1, U32), LimitError);
    let done = false;
    const all = Promise.all(calls).then((values) => {
      done = true;
      return values;
    });
    while (!done) {
      for (let turn = 0; turn < 300; turn++) await Promise.resolve(); // whatever can begin has begun
      gates.shift()?.();
    }
    assert.equal((await all).length, CLIENT_CALLS_MAX);
    assert.equal(most, SERVER_CALLS_MAX);
  }, { "Slow.Echo": slow });
});

Deno.test("a handler is told when its caller goes away, and waited for", async () => {
  let told = false, ended = false;
  const began = Promise.withResolvers<void>();
  const waiting = rpcMethod({
    argument: U32,
    reply: U32,
    async handle(_: number, signal: AbortSignal): Promise<number> {
      began.resolve();
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
      told = true;
      await Promise.resolve();
      ended = true;
      throw signal.reason;
    },
  });
  const { client, far } = alone();
  const serving = serveRpc(far, { "Slow.Wait": waiting });
  const call = assert.rejects(client.call("Slow.Wait", U32, 1, U32), WorldError);
  await began.promise;
  client.close();
  await Promise.all([serving, call, client.closed]);
  assert.deepEqual([told, ended], [true, true]);
});

Deno.test("a server is ended by its signal, also one that was aborted before", async () => {
  for (const before of [true, false]) {
    const controller = new AbortController();
    const [near, far] = memoryPair();
    if (before) controller.abort(new ConnClosedError());
    const serving = serveRpc(far, methods, { signal: controller.signal });
    if (!before) controller.abort(new ConnClosedError());
    await serving;
    near.close();
    await Promise.all([near.closed, far.closed]);
  }
});

const HOSTILE: readonly [string, number[], "at once" | "at the end"][] = [
  ["a message of 2^48 bytes", [0xf9, 1, 0, 0, 0, 0, 0, 0], "at once"],
  ["a length of 9 bytes", [0xf7, 1, 0, 0, 0, 0, 0, 0, 0, 0], "at once"],
  ["a message of 1 MiB and a byte", [0xfd, 0x10, 0x00, 0x01], "at once"],
  ["an empty message", [0], "at once"],
  ["a value without a definition", [3, 0xff, 0x80, 0], "at once"],
  ["an end inside a message", [30, 1, 2, 3], "at the end"],
];
for (const [what, bytes, when] of HOSTILE) {
  Deno.test(`${what} ends the connection ${when}, at the server and at the client`, async () => {
    const [near, far] = memoryPair();
    const serving = serveRpc(far, methods);
    await near.write(Uint8Array.from(bytes));
    if (when === "at the end") await near.closeWrite();
    await serving;
    near.close();

    const rig = alone();
    const call = assert.rejects(rig.client.call("Math.Sum", PAIR, { A: 1, B: 1 }, U32), RpcShutDownError);
    await rig.far.write(Uint8Array.from(bytes));
    if (when === "at the end") await rig.far.closeWrite();
    await call;
    rig.far.close();
    await rig.client.closed;
  });
}

Deno.test("texts of errors are cut on both sides", () =>
  withServer(async ({ client }) => {
    await assert.rejects(
      client.call(`Math.${"x".repeat(10_000)}`, U32, 1, U32),
      (error) => error instanceof RpcError && error.text.length === ERROR_TEXT_CHARS_MAX,
    );
  }));

Deno.test("what was done for a caller that is gone is undone: before its answer, and when that cannot be sent", async () => {
  for (const [how, undone] of [["stays", 0], ["leaves before", 1], ["breaks the answer", 1]] as const) {
    let count = 0;
    const far = memoryPair();
    const work = Promise.withResolvers<void>();
    const serving = serveRpc(far[1], {
      "Math.Keep": rpcMethod({
        argument: U32,
        reply: U32,
        handle: async (n, _signal, ifUnread) => {
          ifUnread(() => count++);
          await work.promise;
          return n;
        },
      }),
    });
    const client = new RpcClient(far[0], { world: { clock: new VirtualClock() } });
    const call = client.call("Math.Keep", U32, 7, U32).catch(() => undefined);
    await settle();
    if (how === "leaves before") void far[0].closeWrite();
    if (how === "breaks the answer") {
      far[1].write = () => Promise.reject(new TimedOutError("A write", 30_000)); // a silence that is no idle one
    }
    await settle();
    work.resolve();
    assert.equal(await call, how === "breaks the answer" ? undefined : 7);
    client.close();
    await serving;
    assert.equal(count, undone, how);
  }
});

Deno.test("a reply that was sent may not have been read: the connection breaks behind it, and not by silence", async () => {
  const ends = {
    "in order": [(near: Conn) => near.close(), 0],
    "broken": [(near: Conn) => near.close(new ConnResetError()), 8],
    "broken by the server's own limit of silence": [
      (_: Conn, far: Conn) => far.close(new TimedOutError("A read", 120_000)),
      0,
    ],
    "by the server's end": [(_: Conn, __: Conn, ending: AbortController) => ending.abort(), 0],
  } as const;
  for (const [how, [end, undone]] of Object.entries(ends)) {
    const [near, far] = memoryPair();
    const kept: number[] = [];
    const ending = new AbortController();
    const serving = serveRpc(far, {
      "Math.Keep": rpcMethod({
        argument: U32,
        reply: U32,
        handle: (n, _signal, ifUnread) => {
          ifUnread(() => kept.push(n));
          return n;
        },
      }),
    }, { signal: ending.signal });
    const client = new RpcClient(near, { world: { clock: new VirtualClock() } });
    for (let n = 1; n <= 10; n++) assert.equal(await client.call("Math.Keep", U32, n, U32), n);
    assert.deepEqual(kept, []);
    end(near, far, ending);
    await serving;
    client.close();
    assert.equal(kept.length, undone, how);
    if (undone > 0) assert.deepEqual(kept, [3, 4, 5, 6, 7, 8, 9, 10], "of the last ones");
  }
});

/** Lets everything go on that need not wait. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}
