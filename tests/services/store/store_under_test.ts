/** A store as a test gets it: SQLite in memory and in a file, and a real Redis with two instances. */
import assert from "node:assert/strict";
import { Ledger } from "../../../lib/base/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { redisMissing, TestRedis } from "../../support/redis.ts";
import { setRedisNow } from "../../support/redis_time.ts";

/** An empty store of any kind. */
export interface StoreUnderTest<S> {
  readonly store: S;
  /** Another instance on the same data, where there can be one; else `store` itself. */
  readonly other: S;
  /** Lets time pass. Times in a test are of seconds at least: in Redis the real one passes, too. */
  elapse(ms: number): Promise<void>;
  /** Sets the clock that the store counts by, to a Unix time. In Redis lives go on by the real one. */
  setNow(ms: number): Promise<void>;
}

/** Cases by their claims. */
export type Compliance<S> = Readonly<Record<string, (under: StoreUnderTest<S>) => Promise<void>>>;

export type OpenStore<S> = (
  name: string,
  world: { readonly clock: VirtualClock; readonly ledger: Ledger },
) => Promise<S>;

/** Every case of a suite on every kind of store. */
export function everyStoreComplies<S extends AsyncDisposable>(
  what: string,
  open: OpenStore<S>,
  compliance: Compliance<S>,
): void {
  for (const [claim, test] of Object.entries(compliance)) everyStore(open, `${what}: ${claim}`, test);
}

/** Each kind has a test and a store of its own; nothing is left open. */
export function everyStore<S extends AsyncDisposable>(
  open: OpenStore<S>,
  claim: string,
  test: (opened: StoreUnderTest<S>) => Promise<void>,
): void {
  for (const kind of ["memory", "a file"]) {
    Deno.test(`${claim} (${kind})`, async () => {
      const folder = kind === "memory" ? undefined : await Deno.makeTempDir();
      const world = { clock: new VirtualClock({ wallMs: 1_795_245_178_000 }), ledger: new Ledger() };
      {
        await using store = await open(folder === undefined ? "memory" : `${folder}/store.db`, world);
        const elapse = (ms: number) => world.clock.advance(ms);
        const setNow = (ms: number) => Promise.resolve(world.clock.setWallMs(ms));
        await test({ store, other: store, elapse, setNow });
      }
      assert.deepEqual(world.ledger.live(), {});
      if (folder !== undefined) await Deno.remove(folder, { recursive: true });
    });
  }
  onRedis(`${claim} (Redis)`, async (redis) => {
    const world = { clock: new VirtualClock({ wallMs: 1_795_245_178_000 }), ledger: new Ledger() };
    {
      await using store = await open(redis.url, world);
      await using other = await open(redis.url, world);
      await test({
        store: slowly(store),
        other: slowly(other),
        elapse: (ms) => redis.age(ms * SLOWNESS),
        setNow: (ms) => setRedisNow(redis, ms),
      });
    }
    assert.deepEqual(world.ledger.live(), {});
  });
}

/** A test with a redis-server of its own; its name says so where there is none to be had. */
export function onRedis(
  claim: string,
  run: (redis: TestRedis, test: Deno.TestContext) => Promise<void>,
): void {
  Deno.test({
    name: redisMissing === undefined ? claim : `${claim} (skipped: ${redisMissing})`,
    ignore: redisMissing !== undefined,
    async fn(test) {
      await using redis = await TestRedis.start();
      await run(redis, test);
    },
  });
}

/** Redis' own time passes besides: what is a second for a test is a minute there, so that a slow machine does not matter. */
const SLOWNESS = 60;

/** A store whose lives are so much longer than it is told. */
function slowly<S extends object>(store: S): S {
  return new Proxy(store, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...given: unknown[]) => {
        const result = value.apply(target, given.map((each) => longer(each, name === "shorten")));
        return name === "allWithLives"
          ? result.then((all: { leftMs: number }[]) => all.map(shorter))
          : result;
      };
    },
  });
}

function longer(given: unknown, isTime: boolean): unknown {
  if (isTime) return given as number * SLOWNESS;
  if (typeof given !== "object" || given === null || !("ttlMs" in given)) return given;
  return { ...given, ttlMs: given.ttlMs as number * SLOWNESS };
}

function shorter<T extends { leftMs: number }>(living: T): T {
  return { ...living, leftMs: living.leftMs / SLOWNESS };
}
