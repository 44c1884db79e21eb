import assert from "node:assert/strict";
import {
  type Conn,
  ConnClosedError,
  ConnResetError,
  Ledger,
  memoryPair,
  silentLog,
} from "../../../lib/base/mod.ts";
import type { PublicKey } from "../../../lib/crypto/mod.ts";
import { type EdgeRules, RouteHandshakeTimeoutError } from "../../../lib/routing/mod.ts";
import {
  checkRoute,
  type DialledTransport,
  FOUND_PATHS_MAX,
  type FoundHop,
  generateRules,
  idsToReserve,
  LEAVING_MAX,
  RouteDialer,
  type RouteDialerOptions,
  RouteSetupError,
} from "../../../lib/routing/setup/mod.ts";
import * as types from "../../../lib/routing/setup/wire_types.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { transportId } from "../../../lib/transport/mod.ts";
import { rpcMethod, serveRpc } from "../../../lib/wire/rpc/mod.ts";
import { assertNothingAlive } from "../../support/world.ts";
import { key, outcomeOf } from "./_fake_visors.ts";

const DESTINATION = { publicKey: key("dave"), port: 3 };
const NAMES = new Map(["alice", "bob", "carol", "dave", "erin"].map((name) => [key(name), name]));

/** Alice's dialler, and everything around it made of paper. */
class DialRig {
  readonly ledger = new Ledger();
  readonly clock = new VirtualClock({ ledger: this.ledger });
  readonly dialer: RouteDialer<Conn>;
  /** Her live transports, by who is at the other end and which type. */
  readonly open: DialledTransport[] = [];
  /** Transports that can be made, as `<name> <type>`. */
  readonly possible = new Set<string>();
  /** What was made or tried: `<name> <type>`. */
  readonly made: string[] = [];
  /** Paths from her to the destination as the route finder knows them: names in between. */
  paths: string[][] = [];
  readonly finds: { minHops: number; maxHops: number; count?: number }[] = [];
  /** Paths that the finder gives when it is not told how many. */
  pathsByItself = Infinity;
  /** Routes that the setup node was asked for: names in between, there. */
  readonly asked: string[][] = [];
  onFind: () => void = () => {};
  onSetup: (between: string[], attempt: number) => void | Promise<void> = () => {};
  onOpen: (between: string[], attempt: number, signal: AbortSignal) => void | Promise<void> = () => {};
  /** Keys dialled on dmsg port 136: direct set-ups. */
  readonly direct: string[] = [];
  /** Does the destination serve those? */
  servesDirect = false;
  /** How connections to the setup node ended, seen from there. */
  readonly ends: { readonly error?: unknown }[] = [];
  #opens = 0;
  #between: string[] = [];

  constructor(options: Partial<RouteDialerOptions<Conn>> = {}) {
    const near = key("alice");
    this.dialer = new RouteDialer<Conn>({
      world: { clock: this.clock },
      local: near,
      log: silentLog,
      router: {
        reserveIds: (count) => Array.from({ length: count }, (_, at) => 1 + at),
        ephemeralPort: () => 49_152,
        open: async (_edge: EdgeRules, { signal }: { signal?: AbortSignal }) => {
          await this.onOpen(this.#between, ++this.#opens, signal!);
          return memoryPair()[0];
        },
      },
      transports: {
        transports: () => this.open,
        find: (id) => this.open.find((transport) => transport.id === id && transport.isLive),
        to: (remote) => this.open.filter((transport) => transport.remote === remote && transport.isLive),
        dial: (remote, type) => {
          const name = `${NAMES.get(remote)} ${type}`;
          this.made.push(name);
          if (!this.possible.has(name)) return Promise.reject(new ConnResetError(`no ${name}`));
          return Promise.resolve(this.join(NAMES.get(remote)!, type));
        },
      },
      dmsg: { dial: ({ publicKey, port }) => this.#dial(publicKey, port) as never },
      setupNodes: () => [key("setup")],
      findRoutes: (pairs, limits) => {
        this.finds.push(limits);
        this.onFind();
        const paths = this.paths.slice(0, limits.count ?? this.pathsByItself);
        return Promise.resolve(pairs.map(([from]) => paths.map((between) => pathOf(between, from !== near))));
      },
      ...options,
    });
  }

  /** A live transport of hers. */
  join(name: string, type = "stcpr"): DialledTransport {
    const transport = {
      id: transportId(key("alice"), key(name), type),
      type,
      remote: key(name),
      isLive: true,
      openStream: (): Conn => {
        const [ours, theirs] = memoryPair({ ledger: this.ledger });
        this.streams.push(theirs);
        return ours;
      },
    };
    this.open.push(transport);
    return transport;
  }
  /** Far ends of streams of apps. */
  readonly streams: Conn[] = [];

  #dial(publicKey: PublicKey, port: number): Promise<Conn> {
    const [ours, theirs] = memoryPair({ ledger: this.ledger });
    if (port === 136) {
      this.direct.push(NAMES.get(publicKey)!);
      if (!this.servesDirect) theirs.close();
      else {
        void serveRpc(theirs, {
          "RPCGateway.ReserveIDs": rpcMethod({
            argument: types.ID_COUNT,
            reply: types.ROUTE_IDS,
            handle: (count) => Array.from({ length: count }, (_, at) => 8 + at),
          }),
          "RPCGateway.AddEdgeRules": rpcMethod({
            argument: types.EDGE_RULES,
            reply: types.DONE,
            handle: () => true,
          }),
        });
      }
      return Promise.resolve(ours);
    }
    const read = theirs.read.bind(theirs);
    theirs.read = async () => {
      try {
        const bytes = await read();
        if (bytes === null) this.ends.push({});
        return bytes;
      } catch (error) {
        this.ends.push({ error });
        throw error;
      }
    };
    void serveRpc(theirs, {
      "SetupRPCGateway.DialRouteGroup": rpcMethod({
        argument: types.BIDIRECTIONAL_ROUTE,
        reply: types.EDGE_RULES,
        handle: async (wire) => {
          const route = types.routeOfWire(wire);
          checkRoute(route);
          const between = route.forward.slice(0, -1).map(({ to }) => NAMES.get(to)!);
          this.asked.push(between);
          this.#between = between;
          await this.onSetup(between, this.asked.length);
          const ids = [...idsToReserve(route)].map(([visor, count]) =>
            [visor, Array.from({ length: count }, (_, at) => 20 + at)] as const
          );
          return types.wireEdge(generateRules(route, new Map(ids)).initiating);
        },
      }),
    });
    return Promise.resolve(ours);
  }
}

function pathOf(between: readonly string[], isBack: boolean): FoundHop[] {
  const names = ["alice", ...between, "dave"];
  if (isBack) names.reverse();
  return names.slice(1).map((name, at) => {
    const [from, to] = [key(names[at]!), key(name)];
    return { transportId: transportId(from, to, "stcpr"), from, to };
  });
}

async function withDialer(
  test: (rig: DialRig) => Promise<void>,
  options: Partial<RouteDialerOptions<Conn>> = {},
): Promise<void> {
  const rig = new DialRig(options);
  await test(rig);
  await rig.dialer.close();
  for (const stream of rig.streams) stream.close();
  await rig.clock.advance(0);
  assertNothingAlive(rig.ledger);
}

const silent = () => {
  throw new RouteHandshakeTimeoutError(key("dave"), 6_000);
};

Deno.test("RT-10: a dial without any options takes the defaults", () =>
  withDialer(async (rig) => {
    rig.join("bob");
    rig.paths = [["bob"]];
    const group = await rig.dialer.dial(DESTINATION);
    assert.deepEqual(rig.finds, [{ minHops: 1, maxHops: 50 }]);
    assert.deepEqual(rig.asked, [["bob"]]);
    group.close();
    await rig.dialer.dial(DESTINATION, {});
    // Fewest 0 reads as 1, undefined as not given.
    await rig.dialer.dial(DESTINATION, {
      minHops: 0,
      maxHops: undefined,
      forward: undefined,
      signal: undefined,
    });
    assert.deepEqual(rig.finds.slice(1), [{ minHops: 1, maxHops: 50 }, { minHops: 1, maxHops: 50 }]);
  }));

Deno.test("RT-11: up to six routes, each found anew, each without the visor that failed", () =>
  withDialer(async (rig) => {
    for (const name of ["bob", "carol", "erin"]) rig.join(name);
    rig.paths = [["bob"], ["carol"], ["erin"]];
    rig.onSetup = ([between], attempt) => {
      if (attempt < 3) throw new RouteSetupError(`reserve routeID from ${key(between!)} failed: gone`);
    };
    await rig.dialer.dial(DESTINATION);
    assert.deepEqual(rig.asked, [["bob"], ["carol"], ["erin"]]);
    assert.equal(rig.finds.length, 3);
  }));

Deno.test("RT-11: when none of the few paths of the finder can be used, more are asked for, once", () =>
  withDialer(async (rig) => {
    rig.join("bob");
    const invented = ["carol", "erin", "frank", "grace", "heidi"];
    rig.paths = [...invented.map((name) => [name]), ["bob"]];
    rig.pathsByItself = 5;
    await rig.dialer.dial(DESTINATION);
    assert.deepEqual([rig.asked, rig.finds.map(({ count }) => count)], [[["bob"]], [
      undefined,
      FOUND_PATHS_MAX,
    ]]);
    rig.paths.pop();
    rig.finds.length = 0;
    await assert.rejects(rig.dialer.dial(DESTINATION), { code: "NO_ROUTE" });
    assert.deepEqual(rig.finds.map(({ count }) => count), [undefined, FOUND_PATHS_MAX]);
  }));

Deno.test("RT-11: six failures are the end; a failure that names an end leaves nobody out", () =>
  withDialer(async (rig) => {
    rig.join("bob");
    rig.paths = [["bob"]];
    rig.onSetup = () => {
      throw new RouteSetupError(`dial ${key("dave")}@136: dmsg error 202`);
    };
    await assert.rejects(rig.dialer.dial(DESTINATION), { code: "ROUTE_SETUP_FAILED" });
    assert.equal(rig.asked.length, 6);
    assert.equal(rig.finds.length, 6);
  }));

Deno.test("RT-11: a transport that an end of the route does not have any more is left out", () =>
  withDialer(async (rig) => {
    for (const name of ["bob", "carol"]) rig.join(name);
    rig.paths = [["bob"], ["carol"]];
    const gone = transportId(key("dave"), key("bob"), "stcpr");
    rig.onSetup = ([between]) => {
      if (between !== "bob") return;
      throw new RouteSetupError(
        `failed to broadcast rules to destination router: failure code 1 (transport ${gone} not found locally)`,
      );
    };
    await rig.dialer.dial(DESTINATION);
    assert.deepEqual(rig.asked, [["bob"], ["carol"]]);
  }));

Deno.test("RT-11: a group that stays silent costs an attempt, and all visors in between", () =>
  withDialer(async (rig) => {
    for (const name of ["bob", "carol"]) rig.join(name);
    rig.paths = [["bob", "erin"], ["carol"]];
    rig.onOpen = (_, attempt) => attempt === 1 ? silent() : undefined;
    await rig.dialer.dial(DESTINATION);
    assert.deepEqual(rig.asked, [["bob", "erin"], ["carol"]]);
  }));

Deno.test("RT-11: when every route failed, the last failure is the cause", () =>
  withDialer(async (rig) => {
    rig.join("bob");
    rig.paths = [["bob"]];
    rig.onOpen = silent;
    await assert.rejects(rig.dialer.dial(DESTINATION), (error: Error & { code?: string }) => {
      assert.equal(error.code, "NO_ROUTE");
      assert(error.cause instanceof RouteHandshakeTimeoutError);
      return true;
    });
  }));

Deno.test("RT-9: a failed handshake on an open transport is told; no longer route is even looked for", () =>
  withDialer(async (rig) => {
    rig.join("dave");
    rig.join("bob");
    rig.paths = [["bob"]];
    rig.onOpen = silent;
    await assert.rejects(rig.dialer.dial(DESTINATION), RouteHandshakeTimeoutError);
    assert.deepEqual([rig.finds, rig.asked], [[], [[]]]);
  }));

Deno.test("RT-9: so is a refused set-up; only a transport that closed meanwhile leads to a found route", () =>
  withDialer(async (rig) => {
    const transport = rig.join("dave") as DialledTransport & { isLive: boolean };
    rig.join("bob");
    rig.paths = [["bob"]];
    rig.onSetup = (between) => {
      if (between.length === 0) throw new RouteSetupError("no");
    };
    await assert.rejects(rig.dialer.dial(DESTINATION), { code: "ROUTE_SETUP_FAILED" });
    assert.equal(rig.finds.length, 0);
    rig.onSetup = (between) => {
      if (between.length > 0) return;
      transport.isLive = false;
      throw new RouteSetupError("no");
    };
    await rig.dialer.dial(DESTINATION);
    assert.equal(rig.finds.length, 1);
  }));

Deno.test("RT-9: so is one on a transport that came up while a route was looked for", () =>
  withDialer(async (rig) => {
    rig.join("bob");
    rig.paths = [[], ["bob"]];
    rig.onFind = () => rig.open.length < 2 && rig.join("dave");
    rig.onOpen = silent;
    await assert.rejects(rig.dialer.dial(DESTINATION), RouteHandshakeTimeoutError);
    assert.deepEqual([rig.finds.length, rig.asked], [1, [[]]]);
  }));

Deno.test("one hop: set up with the peer; a peer that closes is asked again after 30 min only", () =>
  withDialer(async (rig) => {
    rig.join("dave");
    await rig.dialer.dial(DESTINATION);
    await rig.dialer.dial(DESTINATION);
    assert.deepEqual([rig.direct, rig.asked.length], [["dave"], 2]);
    await rig.clock.advance(30 * 60_000);
    rig.servesDirect = true;
    await rig.dialer.dial(DESTINATION);
    assert.deepEqual([rig.direct, rig.asked.length], [["dave", "dave"], 2]);
  }));

Deno.test("more hops that are asked for leave the open transport aside", () =>
  withDialer(async (rig) => {
    rig.join("dave");
    rig.join("bob");
    rig.paths = [["bob"]];
    await rig.dialer.dial(DESTINATION, { minHops: 2, maxHops: 3 });
    assert.deepEqual([rig.finds, rig.asked], [[{ minHops: 2, maxHops: 3 }], [["bob"]]]);
  }));

Deno.test("a visor whose setting is two hops still uses an open transport", () =>
  withDialer(async (rig) => {
    rig.join("dave");
    await rig.dialer.dial(DESTINATION);
    assert.deepEqual([rig.finds, rig.asked], [[], [[]]]);
  }, { minHops: 2 }));

Deno.test("a transport is made for a dial of one hop, and not for one of two", async () => {
  const wanted: PublicKey[] = [];
  const autoTransports = (remote: PublicKey) => Promise.resolve(void wanted.push(remote));
  await withDialer(async (rig) => {
    rig.join("bob");
    rig.paths = [["bob"]];
    await rig.dialer.dial(DESTINATION, { minHops: 2 });
    assert.deepEqual(wanted, []);
    await rig.dialer.dial(DESTINATION);
    assert.deepEqual(wanted, [DESTINATION.publicKey]);
  }, { autoTransports });
});

Deno.test("without a transport nothing is asked of anybody", () =>
  withDialer(async (rig) => {
    await assert.rejects(rig.dialer.dial(DESTINATION), {
      code: "NO_TRANSPORTS",
      message: "no transports available; route setup skipped",
    });
    assert.deepEqual([rig.finds, rig.asked], [[], []]);
  }));

Deno.test("no route, routes that begin elsewhere, and the visor itself", () =>
  withDialer(async (rig) => {
    rig.join("bob");
    await assert.rejects(rig.dialer.dial(DESTINATION), {
      code: "NO_ROUTE",
      message: /the route finder knows none/,
    });
    rig.paths = [["carol"]]; // she has no transport to carol
    await assert.rejects(rig.dialer.dial(DESTINATION), { code: "NO_ROUTE", message: /not found locally/ });
    await assert.rejects(rig.dialer.dial({ publicKey: key("alice"), port: 3 }), { code: "NO_ROUTE" });
  }));

Deno.test("no setup node that can be reached ends the dial at once", () =>
  withDialer(async (rig) => {
    rig.join("bob");
    rig.paths = [["bob"]];
    await assert.rejects(rig.dialer.dial(DESTINATION), { code: "NO_SETUP_NODE" });
    assert.equal(rig.finds.length, 1);
  }, { setupNodes: () => [] }));

Deno.test("RT-8: hops that are given are taken as they are, once, without the route finder", () =>
  withDialer(async (rig) => {
    rig.join("bob");
    rig.onSetup = () => {
      throw new RouteSetupError("no");
    };
    const last = transportId(key("bob"), key("dave"), "sudph");
    const forward = [{ publicKey: key("bob") }, { transportId: last }];
    await assert.rejects(rig.dialer.dial(DESTINATION, { forward }), { code: "ROUTE_SETUP_FAILED" });
    assert.deepEqual([rig.asked, rig.finds], [[["bob"]], []]);
  }, {
    directory: {
      byId: (id) => Promise.resolve({ id, edges: [key("bob"), key("dave")], type: "sudph" }),
      byEdge: () => Promise.resolve([]),
    },
  }));

Deno.test("--direct: excludes hops; makes stcpr, then sudph, then dmsg", () =>
  withDialer(async (rig) => {
    const { dialer } = rig;
    await assert.rejects(dialer.dial(DESTINATION, { direct: true, minHops: 2 }), { code: "ROUTE_HOP" });
    await assert.rejects(dialer.dial(DESTINATION, { direct: true, forward: [] }), { code: "ROUTE_HOP" });
    await assert.rejects(dialer.dial(DESTINATION, { direct: true }), { code: "DIRECT_DIAL_FAILED" });
    assert.deepEqual(rig.made, ["dave stcpr", "dave sudph", "dave dmsg"]);
    rig.possible.add("dave dmsg");
    rig.servesDirect = true;
    await dialer.dial(DESTINATION, { direct: true });
    assert.deepEqual([rig.streams.length, rig.direct, rig.asked], [0, ["dave"], []]);
  }));

Deno.test("--direct: a stream that is silent for 5 s falls back to the direct set-up, one that says no does not", () =>
  withDialer(async (rig) => {
    rig.join("dave");
    rig.servesDirect = true;
    const silent = outcomeOf(rig.dialer.dial(DESTINATION, { direct: true }));
    await rig.clock.advance(4_999);
    assert.deepEqual([silent.done, rig.direct], [false, []]);
    await rig.clock.advance(1);
    assert.deepEqual([silent.error, silent.done, rig.direct], [undefined, true, ["dave"]]);
    const refused = outcomeOf(rig.dialer.dial(DESTINATION, { direct: true }));
    await rig.clock.advance(0);
    assert.deepEqual([...(await rig.streams[1]!.read())!], [0, 3]);
    await rig.streams[1]!.write(Uint8Array.of(1));
    await rig.clock.advance(0);
    assert.equal((refused.error as { code: string }).code, "APP_PORT_CLOSED");
    assert.deepEqual(rig.direct, ["dave"]);
    assert.equal(rig.asked.length, 0);
  }));

Deno.test("a dial that is called off ends with its reason; the route that came all the same is closed", () =>
  withDialer(async (rig) => {
    rig.join("bob");
    rig.paths = [["bob"]];
    const opens: string[] = [];
    rig.onOpen = (_, attempt, signal) => {
      opens.push(`open ${attempt}`);
      return new Promise((_, reject) =>
        signal.addEventListener("abort", () => {
          opens.push(`over ${attempt}`);
          reject(signal.reason);
        }, { once: true })
      );
    };
    const controller = new AbortController();
    const reason = new ConnResetError("enough");
    rig.onSetup = () => controller.abort(reason);
    await assert.rejects(
      rig.dialer.dial(DESTINATION, { signal: controller.signal }),
      (error) => error === reason,
    );
    await rig.clock.advance(0);
    assert.deepEqual(opens, ["open 1", "over 1"]); // its close packet ends the rules on its way
    await assert.rejects(
      rig.dialer.dial(DESTINATION, { signal: controller.signal }),
      (error) => error === reason,
    );
    assert.equal(rig.asked.length, 1);
  }));

/** A dial over bob that is called off while the setup node works on it, and how it goes on. */
async function calledOff(rig: DialRig, afterMs = 1_000) {
  rig.join("bob");
  rig.paths = [["bob"]];
  const opens: string[] = [];
  rig.onOpen = (_, __, signal) => void opens.push(signal.aborted ? "over" : "open");
  const answer = Promise.withResolvers<void>();
  rig.onSetup = () => answer.promise;
  const controller = new AbortController();
  const dial = outcomeOf(rig.dialer.dial(DESTINATION, { signal: controller.signal }));
  await rig.clock.advance(afterMs);
  const reason = new ConnClosedError(undefined, "enough");
  controller.abort(reason);
  await rig.clock.advance(0);
  assert.deepEqual([dial.done, dial.error === reason], [true, true], "at once");
  return { opens, answer };
}

/** How the setup node saw the connections of callers end. */
const orders = ({ ends }: DialRig) => ends.map(({ error }) => error === undefined ? "in order" : "broken");

Deno.test("RT-4: a dial that is called off ends at once; the answer that comes 29 s later is taken back", () =>
  withDialer(async (rig) => {
    const { opens, answer } = await calledOff(rig);
    await rig.clock.advance(28_999);
    assert.deepEqual([opens, rig.ends.length], [[], 0], "the answer is waited for");
    answer.resolve();
    await rig.clock.advance(0);
    assert.deepEqual(
      [opens, orders(rig)],
      [["open"], ["broken"]],
      "by a close packet, and by the setup node",
    );
  }));

Deno.test("RT-4: no answer is waited for longer than 30 s, nor when it says no, nor by one that ends", async () => {
  await withDialer(async (rig) => {
    const { opens } = await calledOff(rig);
    await rig.clock.advance(29_999);
    assert.equal(rig.ends.length, 0);
    await rig.clock.advance(1);
    assert.deepEqual([opens, orders(rig)], [[], ["broken"]]);
  });
  await withDialer(async (rig) => {
    const { opens, answer } = await calledOff(rig);
    answer.reject(new RouteSetupError("no"));
    await rig.clock.advance(0);
    assert.deepEqual([opens, rig.ends.length], [[], 1]);
  });
  await withDialer(async (rig) => {
    const { opens } = await calledOff(rig);
    const closing = outcomeOf(rig.dialer.close());
    await rig.clock.advance(0);
    assert.deepEqual([closing.done, opens, orders(rig)], [true, [], ["broken"]]);
  });
});

Deno.test("RT-4: so many answers are waited for; of further ones the setup node is told", () =>
  withDialer(async (rig) => {
    for (let dial = 0; dial < LEAVING_MAX; dial++) await calledOff(rig, 0);
    assert.equal(rig.ends.length, 0);
    await calledOff(rig, 0);
    assert.equal(rig.ends.length, 1);
  }));

Deno.test("a dial that succeeds ends its connection to the setup node in order", () =>
  withDialer(async (rig) => {
    rig.join("bob");
    rig.paths = [["bob"]];
    await rig.dialer.dial(DESTINATION);
    await rig.clock.advance(0);
    assert.deepEqual(orders(rig), ["in order"]);
  }));
