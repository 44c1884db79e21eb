/** How old a list of transports may be that routes are made of, what is told of that, and how it is young again. */
import assert from "node:assert/strict";
import { Ledger, type LogFields, silentLog } from "../../../lib/base/mod.ts";
import { keyPairFromSeed, type PublicKey } from "../../../lib/crypto/mod.ts";
import { ServiceUnreachableError, type TransportRecord } from "../../../lib/directory/mod.ts";
import { TransportGraph } from "../../../lib/routing/paths/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import {
  createRouteFinder,
  type GraphFeed,
  LIST_FAILURES_TOLD_MS,
  LIST_KEPT_MS,
  POLL_MAX_MS,
  POLL_MIN_MS,
  POLL_MS,
  polledTransports,
} from "../../../lib/services/route_finder/mod.ts";
import { TRANSPORT_TTL_MS } from "../../../lib/services/transport_discovery/mod.ts";
import { transportId } from "../../../lib/transport/mod.ts";
import { assertNothingAlive } from "../../support/world.ts";
import { ask } from "./_ask.ts";

const [A, B] = ["a", "b"].map((name) => keyPairFromSeed(new TextEncoder().encode(name)).publicKey) as [
  PublicKey,
  PublicKey,
];
const record: TransportRecord = {
  id: transportId(A, B, "stcpr"),
  edges: A < B ? [A, B] : [B, A],
  type: "stcpr",
  label: "user",
};
const WALL_MS = 1_795_245_000_000;
const TOO_OLD = "error Transports are too old: there are no routes until they are read";
const FAILS = "warn Transports cannot be read";
const AGAIN = "info Transports are read again";

/** A route finder that reads a list of one transport, as long as that works. */
class Rig implements AsyncDisposable {
  readonly ledger = new Ledger();
  readonly clock = new VirtualClock({ ledger: this.ledger, wallMs: WALL_MS });
  readonly graph = new TransportGraph();
  readonly lines: string[] = [];
  readonly #feed: GraphFeed;
  readonly #api;
  read: () => Promise<readonly TransportRecord[]>;

  constructor(
    { lives, everyMs = POLL_MS, read = works }: {
      readonly lives?: { readonly entryTimeoutMs?: number };
      readonly everyMs?: number;
      readonly read?: Rig["read"];
    } = {},
  ) {
    this.read = read;
    const note = (level: string) => (message: string, _fields?: LogFields) =>
      void this.lines.push(`${level} ${message}`);
    const log = { ...silentLog, info: note("info"), warn: note("warn"), error: note("error") };
    const source = polledTransports({ list: () => this.read(), clock: this.clock, log, everyMs });
    this.#feed = source(this.graph, lives);
    this.#api = createRouteFinder({
      graph: this.graph,
      clock: this.clock,
      list: () => this.#feed.list?.(),
    });
  }

  /** Status, state and age of `/health`, and how a route is answered. */
  async look(): Promise<[number, string, number | undefined, number, string]> {
    const { status, body } = await ask(this.#api, "GET", "/health");
    const { list, list_age_ms } = JSON.parse(body);
    const question = JSON.stringify({ Edges: [`${A}:${B}`], Opts: { MinHops: 1, MaxHops: 5 } });
    const routes = await ask(this.#api, "POST", "/routes", question);
    return [status, list, list_age_ms, routes.status, routes.status === 200 ? "a route" : routes.body];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#feed[Symbol.asyncDispose]();
    await this.clock.advance(0);
    assertNothingAlive(this.ledger);
  }
}

const works = () => Promise.resolve([record]);
const fails = () => Promise.reject(new ServiceUnreachableError("Cannot reach the transport discovery"));
const NONE = JSON.stringify({ error: { message: "transport not found", code: 404 } });

Deno.test("a list that is older than its transports can be is told of, and gives no routes after an hour", async () => {
  const first = Promise.withResolvers<readonly TransportRecord[]>();
  await using rig = new Rig({ lives: { entryTimeoutMs: 60_000 }, read: () => first.promise });
  assert.deepEqual(await rig.look(), [503, "unread", undefined, 404, NONE]);
  first.resolve([record]);
  await rig.clock.advance(0);
  assert.deepEqual(await rig.look(), [200, "read", 0, 200, "a route"]);
  rig.read = fails;
  await rig.clock.advance(60_000 + POLL_MS - 1);
  assert.deepEqual(await rig.look(), [200, "read", 64_999, 200, "a route"]);
  await rig.clock.advance(1);
  assert.deepEqual(await rig.look(), [503, "too old", 65_000, 200, "a route"]);
  await rig.clock.advance(LIST_KEPT_MS - 65_001);
  assert.deepEqual(await rig.look(), [503, "too old", 3_599_999, 200, "a route"]);
  assert.deepEqual(rig.lines, [FAILS]);
  await rig.clock.advance(1);
  assert.deepEqual(await rig.look(), [503, "too old", 3_600_000, 404, NONE]);
  assert.equal(rig.graph.size, 0);
  await rig.clock.advance(3_600_000);
  assert.deepEqual(await rig.look(), [503, "too old", 7_200_000, 404, NONE]);
  assert.deepEqual(rig.lines, [FAILS, TOO_OLD], "not one for each reading");

  rig.read = works;
  await rig.clock.advance(POLL_MS);
  assert.deepEqual(await rig.look(), [200, "read", 0, 200, "a route"]);
  assert.deepEqual(rig.lines, [FAILS, TOO_OLD, AGAIN]);
  rig.read = fails;
  await rig.clock.advance(LIST_KEPT_MS);
  assert.deepEqual(await rig.look(), [503, "too old", 3_600_000, 404, NONE]);
  assert.deepEqual(rig.lines, [FAILS, TOO_OLD, AGAIN, FAILS, TOO_OLD]);
});

Deno.test("a list that never comes grows old like one that cannot be read", async () => {
  await using rig = new Rig({ lives: { entryTimeoutMs: 60_000 } });
  await rig.clock.advance(0);
  const answer = Promise.withResolvers<readonly TransportRecord[]>();
  rig.read = () => answer.promise;
  await rig.clock.advance(LIST_KEPT_MS);
  assert.deepEqual(await rig.look(), [503, "too old", 3_600_000, 404, NONE]);
  assert.deepEqual(rig.lines, [TOO_OLD]);
  answer.resolve([record]);
  await rig.clock.advance(0);
  assert.deepEqual(await rig.look(), [200, "read", 0, 200, "a route"]);
  assert.deepEqual(rig.lines, [TOO_OLD, AGAIN]);
});

Deno.test("a first list that does not come is told of once, and there are no routes before it", async () => {
  await using rig = new Rig({ read: fails });
  await rig.clock.advance(3_600_000);
  assert.deepEqual(await rig.look(), [503, "unread", undefined, 404, NONE]);
  assert.deepEqual(rig.lines, [FAILS]);
  rig.read = works;
  await rig.clock.advance(POLL_MS);
  assert.deepEqual(await rig.look(), [200, "read", 0, 200, "a route"]);
  assert.deepEqual(rig.lines, [FAILS, AGAIN]);
});

Deno.test("without another word transports live for as long as those of any discovery", async () => {
  for (const options of [{}, { lives: {} }]) {
    await using rig = new Rig(options);
    await rig.clock.advance(0);
    rig.read = fails;
    await rig.clock.advance(TRANSPORT_TTL_MS + POLL_MS - 1);
    assert.deepEqual((await rig.look()).slice(0, 2), [200, "read"]);
    await rig.clock.advance(1);
    assert.deepEqual((await rig.look()).slice(0, 2), [503, "too old"]);
  }
});

Deno.test("where transports live for longer than an hour, so does their list", async () => {
  await using rig = new Rig({ lives: { entryTimeoutMs: 3 * LIST_KEPT_MS } });
  await rig.clock.advance(0);
  rig.read = fails;
  await rig.clock.advance(3 * LIST_KEPT_MS + POLL_MS - 1);
  assert.deepEqual((await rig.look()).slice(0, 2), [200, "read"]);
  assert.equal(rig.graph.size, 1);
  await rig.clock.advance(1);
  assert.deepEqual((await rig.look()).slice(3), [404, NONE]);
});

Deno.test("where transports do not expire, nor does their list", async () => {
  await using rig = new Rig({ lives: { entryTimeoutMs: 0 } });
  await rig.clock.advance(0);
  rig.read = fails;
  await rig.clock.advance(7 * 24 * 3_600_000);
  assert.deepEqual(await rig.look(), [200, "read", 604_800_000, 200, "a route"]);
  assert.deepEqual(rig.lines, [FAILS]);
});

Deno.test("a list that is read when it is due is never too old, however rarely that is", async () => {
  await using rig = new Rig({ lives: { entryTimeoutMs: 1_000 }, everyMs: POLL_MAX_MS });
  await rig.clock.advance(0);
  for (let at = 0; at < 5; at++) {
    await rig.clock.advance(POLL_MAX_MS - 1);
    assert.deepEqual((await rig.look()).slice(0, 3), [200, "read", POLL_MAX_MS - 1]);
    await rig.clock.advance(1);
    assert.deepEqual((await rig.look()).slice(0, 3), [200, "read", 0]);
  }
  assert.deepEqual(rig.lines, []);
});

Deno.test("a clock that is set makes no list old, nor keeps one young", async () => {
  await using rig = new Rig({ lives: { entryTimeoutMs: 60_000 } });
  await rig.clock.advance(0);
  rig.read = fails;
  rig.clock.setWallMs(WALL_MS + 366 * 24 * 3_600_000);
  await rig.clock.advance(1_000);
  assert.deepEqual(await rig.look(), [200, "read", 1_000, 200, "a route"]);
  rig.clock.setWallMs(WALL_MS - 366 * 24 * 3_600_000);
  await rig.clock.advance(64_000);
  assert.deepEqual(await rig.look(), [503, "too old", 65_000, 200, "a route"]);
  await rig.clock.advance(LIST_KEPT_MS - 65_000);
  assert.deepEqual((await rig.look()).slice(3), [404, NONE]);
});

Deno.test("a discovery that comes and goes is told of once a minute", async () => {
  await using rig = new Rig({ everyMs: POLL_MIN_MS });
  let asked = 0;
  rig.read = () => asked++ % 2 === 0 ? works() : fails();
  await rig.clock.advance(LIST_FAILURES_TOLD_MS * 10);
  assert.ok(asked > 1_000, `${asked} readings`);
  assert.deepEqual(rig.lines.slice(0, 3), [FAILS, AGAIN, FAILS]);
  assert.ok(rig.lines.length >= 18 && rig.lines.length <= 20, `${rig.lines.length} lines`);
  rig.read = fails;
  rig.lines.length = 0;
  await rig.clock.advance(LIST_FAILURES_TOLD_MS);
  assert.deepEqual(rig.lines, [FAILS], "an outage right after one that was told of");
});

Deno.test("nothing of a list is left when it comes while it is ended", async () => {
  const rig = new Rig();
  await rig.clock.advance(0);
  const answer = Promise.withResolvers<readonly TransportRecord[]>();
  rig.read = () => answer.promise;
  await rig.clock.advance(POLL_MS);
  const ending = rig[Symbol.asyncDispose]();
  answer.resolve([record]);
  await ending;
});
