/** `watchPing()` over routes that a test makes, in virtual time. */
import assert from "node:assert/strict";
import { CallerError, PeerError, TimedOutError } from "../../lib/base/mod.ts";
import type { PingEvent } from "../../lib/control/mod.ts";
import type { RouteGroup } from "../../lib/routing/mod.ts";
import { type Clock, sleep } from "../../lib/runtime/mod.ts";
import { LOST_IN_A_ROW_MAX, REDIAL_FIRST_MS, REDIAL_MS_MAX, watchPing } from "../../lib/visor/_ping_watch.ts";
import { withSimulation } from "../support/world.ts";

class Refused extends PeerError {
  readonly code = "ROUTE_SETUP_FAILED";
}
class Wrong extends CallerError {
  readonly code = "ROUTE_HOP";
}

/** A route whose pongs come after so long, or never. */
class Route {
  readonly end = Promise.withResolvers<null>();
  readonly #closed = Promise.withResolvers<void>();
  isClosed = false;
  /** By the number of the ping on this route; undefined: no pong within 5 s. */
  constructor(readonly clock: Clock, readonly pongMs: (index: number) => number | undefined) {}

  #pings = 0;
  get group(): RouteGroup {
    return {
      ping: async ({ signal }: { signal: AbortSignal }) => {
        const ms = this.pongMs(++this.#pings);
        await sleep(this.clock, ms ?? 5_000, signal);
        if (ms === undefined) throw new TimedOutError("A ping", 5_000);
        return [ms];
      },
      read: () => this.end.promise,
      close: () => {
        this.isClosed = true;
        this.end.reject(new DOMException("Closed", "AbortError"));
        this.#closed.resolve();
      },
      closed: this.#closed.promise,
    } as unknown as RouteGroup;
  }
}

interface Rig {
  readonly clock: Clock;
  readonly told: PingEvent[];
  readonly routes: Route[];
  /** The events, each in short with the second at which it was told. */
  shown(): string[];
  /** Ctrl-C. */
  leave(): Promise<void>;
}

/** Watches over these routes, one dial after the other; an error is a dial that fails. */
function withWatch(
  dials: readonly (Error | ((index: number) => number | undefined))[],
  test: (rig: Rig) => Promise<void>,
  { intervalMs }: { readonly intervalMs?: number } = {},
): Promise<void> {
  return withSimulation("ping watch", async (simulation) => {
    const { clock } = simulation.node("alice");
    await simulation.run(async () => {
      const told: PingEvent[] = [];
      const routes: Route[] = [];
      const left = new AbortController();
      const startedMs = clock.wallMs();
      let dialled = 0;
      const watching = watchPing({
        clock,
        intervalMs,
        tell: (event) => void told.push(event),
        async dial(signal) {
          await sleep(clock, 10, signal);
          const next = dials[Math.min(dialled++, dials.length - 1)]!;
          if (next instanceof Error) throw next;
          const route = new Route(clock, next);
          routes.push(route);
          return { group: route.group, dialMs: 10 };
        },
        hops: () => Promise.resolve({ forward: [], reverse: [] }),
      }, left.signal);
      watching.catch(() => {});
      const shown = () =>
        told.map((event) => {
          const what = "sequence" in event
            ? ` ${event.sequence}`
            : "failure" in event
            ? `: ${event.failure}`
            : "";
          return `${((event.atMs - startedMs) / 1_000).toFixed(1)} ${event.event}${what}`;
        });
      await test({
        clock,
        told,
        routes,
        shown,
        async leave() {
          left.abort(new DOMException("Interrupted", "AbortError"));
          await watching;
          assert(routes.every(({ isClosed }) => isClosed));
        },
      });
    });
  });
}

Deno.test("watchPing() pings at even times over one route, however late the pongs are", () =>
  withWatch([(index) => index === 2 ? 2_500 : 20], async ({ clock, shown, leave }) => {
    await sleep(clock, 4_100);
    assert.deepEqual(shown(), [
      "0.0 dialling",
      "0.0 route",
      "0.0 reply 1",
      "2.0 reply 3",
      "3.0 reply 4",
      "3.5 reply 2",
      "4.0 reply 5",
    ]);
    await leave();
  }));

Deno.test("watchPing() tells the hops anew every 10 s, at its own interval of pings", () =>
  withWatch([() => 20], async ({ clock, told, leave }) => {
    await sleep(clock, 25_000);
    const counts = Object.groupBy(told, ({ event }) => event);
    assert.deepEqual([counts.hops?.length, counts.reply?.length], [2, 13]);
    await leave();
  }, { intervalMs: 2_000 }));

Deno.test("watchPing() tells each loss, and takes a route on which nothing comes back for dead", () =>
  withWatch([(index) => index <= 1 ? 20 : undefined, () => 20], async ({ clock, shown, routes, leave }) => {
    await sleep(clock, 8_500);
    assert.deepEqual(shown().filter((line) => !/reply/.test(line)), [
      "0.0 dialling",
      "0.0 route",
      "6.0 lost 2",
      "7.0 lost 3",
      "8.0 lost 4",
      `8.0 routeEnded: ${LOST_IN_A_ROW_MAX} pings in a row were not answered`,
      "8.0 dialling",
      "8.0 route",
    ]);
    assert(routes[0]!.isClosed);
    await leave();
  }));

Deno.test("watchPing() keeps a route on which some pongs come", () =>
  withWatch([(index) => index % 3 === 0 ? 20 : undefined], async ({ clock, told, leave }) => {
    await sleep(clock, 60_000);
    assert.equal(told.filter(({ event }) => event === "route").length, 1);
    assert(told.filter(({ event }) => event === "lost").length > 30);
    await leave();
  }));

Deno.test("watchPing() makes another route as soon as one ends, and says why it ended", () =>
  withWatch([() => 20, () => 20, () => 20], async ({ clock, shown, routes, leave }) => {
    await sleep(clock, 500);
    routes[0]!.end.reject(new Refused("A relay is gone"));
    await sleep(clock, 500);
    routes[1]!.end.resolve(null);
    await sleep(clock, 500);
    assert.deepEqual(shown().filter((line) => !/reply|dialling/.test(line)), [
      "0.0 route",
      "0.5 routeEnded: A relay is gone",
      "0.5 route",
      "1.0 routeEnded: the far visor closed it",
      "1.0 route",
    ]);
    assert.deepEqual(routes.map(({ isClosed }) => isClosed), [true, true, false]);
    await leave();
  }));

Deno.test("watchPing() dials again after a failure, later each time, at once after a success", () =>
  withWatch(
    [...Array(5).fill(new Refused("No setup node")), () => 20, new Refused("Gone")],
    async ({ clock, told, routes, leave }) => {
      await sleep(clock, 30_000);
      const waits = told.flatMap((event) => event.event === "unreachable" ? [event.retryMs] : []);
      assert.deepEqual(waits, [REDIAL_FIRST_MS, 2_000, 4_000, 8_000, REDIAL_MS_MAX]);
      routes[0]!.end.resolve(null);
      await sleep(clock, 100);
      assert.deepEqual(told.at(-1)?.event === "unreachable" && told.at(-1), {
        event: "unreachable",
        atMs: told.at(-1)!.atMs,
        code: "ROUTE_SETUP_FAILED",
        failure: "Gone",
        retryMs: REDIAL_FIRST_MS,
      });
      await leave();
    },
  ));

Deno.test("watchPing() rejects for hops that nobody can have meant, but not once there was a route", async () => {
  await withSimulation("ping watch", async (simulation) => {
    const { clock } = simulation.node("alice");
    const options = { clock, tell: () => {}, hops: () => Promise.reject(new Error("never")) };
    const dial = () => Promise.reject(new Wrong("No such hop"));
    await assert.rejects(watchPing({ ...options, dial }, new AbortController().signal), {
      code: "ROUTE_HOP",
    });
  });
  await withWatch([() => 20, new Wrong("No such hop")], async ({ clock, routes, told, leave }) => {
    await sleep(clock, 500);
    routes[0]!.end.resolve(null);
    await sleep(clock, 500);
    assert.equal(told.at(-1)?.event, "unreachable");
    await leave();
  });
});
