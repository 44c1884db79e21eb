/** A store that takes no writes: `check` says so, and why, and that it is over, whether or not anybody writes. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Ledger } from "../../../lib/base/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import {
  type Binding,
  openBindingStore,
  openEntryStore,
  openServiceStore,
  openTransportStore,
  openUptimeStore,
  SqliteBindingStore,
  type Store,
  StoreError,
  type StoreState,
} from "../../../lib/services/store/mod.ts";
import { WRITE_TRIAL_EACH_MS } from "../../../lib/services/store/_write_trial.ts";
import { RedisPool } from "../../../lib/services/store/redis/_pool.ts";
import { TestRedis } from "../../support/redis.ts";
import { pair, transportOf } from "../service_support.ts";
import { key, stored } from "./store_compliance.ts";
import { withRefusingRedis } from "./_refusing_redis.ts";
import { onRedis } from "./store_under_test.ts";

type StoreWorld = { readonly clock: VirtualClock; readonly ledger: Ledger };

/** A store, and something new that is written to it, however often. */
interface Written {
  readonly store: Store;
  write(): Promise<unknown>;
}

/** Stores of every service. */
const STORES: Readonly<Record<string, (name: string, world: StoreWorld) => Promise<Written>>> = {
  entries: async (name, world) => {
    const store = await openEntryStore(name, world);
    let at = 0;
    const write = () =>
      store.put(stored(key(at++), { isVisor: true }), { ttlMs: 60_000, replaces: undefined });
    return { store, write };
  },
  transports: async (name, world) => {
    const store = await openTransportStore(name, world);
    let at = 0;
    const owner = { key: key(1), recordsMax: 999, block: { text: "203.0.113.0/24", recordsMax: 999 } };
    const write = () =>
      store.put([transportOf(pair("alice"), pair(`peer ${at++}`))], { ttlMs: 60_000, owner });
    return { store, write };
  },
  bindings: async (name, world) => {
    const store = await openBindingStore(name, world);
    let at = 0;
    return { store, write: () => store.put("stcpr", key(at++), BINDING, { ttlMs: 60_000 }) };
  },
  services: async (name, world) => {
    const store = await openServiceStore(name, world);
    let at = 0;
    const write = () =>
      store.put({ publicKey: key(at++), port: 1, type: "vpn" }, {
        ttlMs: 60_000,
        typesMax: 9,
        recordsMax: 999,
      });
    return { store, write };
  },
  uptimes: async (name, world) => {
    const store = await openUptimeStore(name, world);
    let at = 0;
    return { store, write: () => store.beat({ key: key(at++), intervalMs: 1_000 }) };
  },
};
const BINDING: Binding = { remoteAddress: "203.0.113.7", port: 7777, addresses: ["203.0.113.7"] };

/** How it comes to be so, and ends. SQLite itself and Redis itself refuse. */
const FAULTS = {
  full: {
    sqlite: ["PRAGMA max_page_count = 1", "PRAGMA max_page_count = 100000"], // what there is, at least
    redis: [["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"]],
  },
  "read-only": {
    sqlite: ["PRAGMA query_only = 1", "PRAGMA query_only = 0"],
    redis: [["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"]],
  },
} as const;

const inState = (state: StoreState) => (error: unknown) =>
  error instanceof StoreError && error.state === state;

/** Writes until one is refused: a page that is not full takes some more. */
async function writeUntilRefused({ write }: Written): Promise<void> {
  for (let time = 0; time < 300; time++) {
    const refused = await write().then(() => undefined, (error) => error);
    if (refused !== undefined) return assert.ok(refused instanceof StoreError);
  }
  assert.fail("all is taken");
}

/** A store while writes are refused, and after it. */
async function saysSo(
  written: Written,
  { state, begin, end, elapse }: {
    state: StoreState;
    begin: () => Promise<unknown>;
    end: () => Promise<unknown>;
    elapse: () => Promise<unknown>;
  },
): Promise<void> {
  const { store, write } = written;
  for (const isAsked of [true, false]) { // whether it is before a write was refused
    await store.check();
    await begin();
    if (isAsked) await elapse();
    else await writeUntilRefused(written);
    await assert.rejects(store.check(), inState(state));
    await assert.rejects(store.check(), inState(state), "and goes on to");
    await end();
    await store.check();
    await write();
  }
}

/** Opens a SQLite store; gives what its data base is told by others. */
async function withDatabase<T>(open: () => Promise<T>): Promise<{ opened: T; database: DatabaseSync }> {
  const { exec } = DatabaseSync.prototype;
  let database: DatabaseSync | undefined;
  DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string) {
    database = this;
    exec.call(this, sql);
  };
  try {
    const opened = await open();
    return { opened, database: database! };
  } finally {
    DatabaseSync.prototype.exec = exec;
  }
}

for (const [what, open] of Object.entries(STORES)) {
  for (
    const [state, { sqlite, redis: words }] of Object.entries(FAULTS) as [StoreState, typeof FAULTS.full][]
  ) {
    for (const kind of ["memory", "a file"]) {
      Deno.test(`${what}: a store that is ${state} says so, and no longer than that (${kind})`, async () => {
        const folder = kind === "memory" ? undefined : await Deno.makeTempDir();
        const world = { clock: new VirtualClock({ wallMs: 1_795_245_178_000 }), ledger: new Ledger() };
        const name = folder === undefined ? "memory" : `${folder}/store.db`;
        const { opened, database } = await withDatabase(() => open(name, world));
        {
          await using _ = opened.store;
          await saysSo(opened, {
            state,
            begin: () => Promise.resolve(database.exec(sqlite[0])),
            end: () => Promise.resolve(database.exec(sqlite[1])),
            elapse: () => world.clock.advance(WRITE_TRIAL_EACH_MS),
          });
        }
        assert.deepEqual(world.ledger.live(), {});
        if (folder !== undefined) await Deno.remove(folder, { recursive: true });
      });
    }
    onRedis(`${what}: a store that is ${state} says so, and no longer than that (Redis)`, async (redis) => {
      const world = { clock: new VirtualClock({ wallMs: 1_795_245_178_000 }), ledger: new Ledger() };
      const tell = (told: readonly string[]) => redis.client.call(told[0]!, ...told.slice(1));
      {
        const written = await open(redis.url, world);
        await using _ = written.store;
        await saysSo(written, {
          state,
          begin: () => tell(words[0]),
          end: () => tell(words[1]),
          elapse: () => Promise.resolve(),
        });
      }
      assert.deepEqual(world.ledger.live(), {});
    });
  }
}

/** A store in a file, and its data base. */
async function onFile(
  test: (on: { store: SqliteBindingStore; database: DatabaseSync; clock: VirtualClock }) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const clock = new VirtualClock();
  const path = `${folder}/store.db`;
  const { opened, database } = await withDatabase(() =>
    Promise.resolve(new SqliteBindingStore({ path, clock }))
  );
  {
    await using store = opened;
    await test({ store, database, clock });
  }
  await Deno.remove(folder, { recursive: true });
}

Deno.test("a check of a full file costs no write that came with it", () =>
  onFile(async ({ store, database }) => {
    const put = () => store.put("stcpr", key(1), BINDING, { ttlMs: 60_000 });
    await put();
    database.exec("PRAGMA max_page_count = 1");
    const [first, checked, second] = await Promise.allSettled([put(), store.check(), put()]);
    assert.deepEqual([first.status, checked.status, second.status], ["fulfilled", "rejected", "fulfilled"]);
    assert.equal(database.isTransaction, false);
    assert.deepEqual(await store.keys("stcpr"), [key(1)]);
  }));

Deno.test("a commit that fails is a reason to look", () =>
  onFile(async ({ store, database, clock }) => {
    await store.check();
    const { exec } = DatabaseSync.prototype;
    const written = store.put("stcpr", key(1), BINDING, { ttlMs: 60_000 });
    exec.call(database, "ROLLBACK"); // there is nothing to commit
    await assert.rejects(written, StoreError);
    database.exec("PRAGMA query_only = 1");
    await assert.rejects(store.check(), inState("read-only"));
    assert.equal(clock.monotonicMs(), 0);
  }));

Deno.test("checks of one second write once, and what they write takes no more room by and by", () =>
  onFile(async ({ store, database, clock }) => {
    const size = () => Number(database.prepare("PRAGMA page_count").get()!.page_count);
    const rows = () => database.prepare("SELECT rowid, length(bytes) AS bytes FROM write_trial").all();
    const { exec } = DatabaseSync.prototype;
    let trials = 0;
    database.exec = (sql: string) => {
      trials++;
      exec.call(database, sql);
    };
    const sizes: number[] = [];
    for (let second = 0; second < 50; second++) {
      for (let time = 0; time < 100; time++) await store.check();
      await clock.advance(WRITE_TRIAL_EACH_MS);
      sizes.push(size());
    }
    assert.equal(trials, 50);
    assert.equal(sizes[1], sizes.at(-1));
    assert.deepEqual(rows().map(({ bytes }) => bytes), [16_384]);
  }));

Deno.test("a file that was full when it was opened opens", async () => {
  const folder = await Deno.makeTempDir();
  const options = { path: `${folder}/store.db`, clock: new VirtualClock() };
  await new SqliteBindingStore(options)[Symbol.asyncDispose]();
  {
    await using store = new SqliteBindingStore({ ...options, bytesMax: 1 });
    await assert.rejects(store.check(), inState("full"));
    assert.deepEqual(await store.keys("stcpr"), []);
  }
  await Deno.remove(folder, { recursive: true });
});

onRedis("a check stores nothing, and changes nothing that is there", async (redis) => {
  await using pool = await RedisPool.open({ url: `${redis.url}/?prefix=ours` });
  await pool.check("");
  assert.deepEqual(await redis.client.keys("*"), []);
});

onRedis(
  "a Redis that has no replica to tell, or gives its user no leave to write, is unwritable",
  async (redis) => {
    await using pool = await RedisPool.open({ url: redis.url });
    for (
      const [begin, end] of [
        [["CONFIG", "SET", "min-replicas-to-write", "1"], ["CONFIG", "SET", "min-replicas-to-write", "0"]],
        [["ACL", "SETUSER", "default", "-@write"], ["ACL", "SETUSER", "default", "+@write"]],
      ]
    ) {
      await redis.client.call(begin![0]!, ...begin!.slice(1));
      await assert.rejects(
        pool.check(""),
        (error) => inState("unwritable")(error) && /^Cannot write to/.test((error as Error).message),
      );
      await redis.client.call(end![0]!, ...end!.slice(1));
      await pool.check("");
    }
  },
);

onRedis("a Redis that is away, or cannot be dialled, is no more than unavailable", async (redis) => {
  await using pool = await RedisPool.open({ url: redis.url });
  await redis.kill();
  await assert.rejects(pool.check(""), inState("unavailable"));
  await using again = await TestRedis.start(redis.port);
  await again.client.call("CONFIG", "SET", "requirepass", "secret");
  await assert.rejects(pool.check(""), inState("unavailable"));
});

Deno.test("a Redis whose disk is full is full, and one whose disk is broken unwritable", async () => {
  for (
    const [words, state] of [
      ["MISCONF Errors writing to the AOF file: No space left on device", "full"],
      ["MISCONF Errors writing to the AOF file: Input/output error", "unwritable"],
      ["OOM command not allowed when used memory > 'maxmemory'.", "full"],
      ["READONLY You can't write against a read only replica.", "read-only"],
      ["ERR something else", "unavailable"],
    ] as const
  ) {
    await withRefusingRedis({ refused: "set", words }, async (place) => {
      await using pool = await RedisPool.open({ url: `redis://${place}` });
      await assert.rejects(pool.check(""), inState(state), words);
    });
  }
});
