/** Who may read the files of a store: its owner alone, unless they were there already. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Ledger } from "../../../lib/base/mod.ts";
import { makePrivateFile } from "../../../lib/runtime/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import {
  InvalidStoreNameError,
  openBindingStore,
  openEntryStore,
  openServiceStore,
  openTransportStore,
  openUptimeStore,
  StoreError,
} from "../../../lib/services/store/mod.ts";
import { assertNothingAlive } from "../../support/world.ts";
import { pair } from "../service_support.ts";

const OPENS = [openEntryStore, openTransportStore, openBindingStore, openServiceStore, openUptimeStore];
const BESIDE = ["store.db", "store.db-shm", "store.db-wal", "store.db.lock", "store.db.lock-journal"];
const { publicKey: alice } = pair("alice");

/** Modes of the files of a folder, by their names in order. */
async function modesIn(folder: string): Promise<Record<string, string>> {
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
  const modes = names.map(async (name) =>
    [name, ((await Deno.lstat(`${folder}/${name}`)).mode! & 0o777).toString(8)] as const
  );
  return Object.fromEntries(await Promise.all(modes));
}

const all = (mode: string) => Object.fromEntries(BESIDE.map((name) => [name, mode]));

/** A test in a folder of its own, under a mask that takes nothing away. */
function testModes(claim: string, run: (folder: string, world: World) => Promise<void>): void {
  Deno.test({
    name: claim,
    ignore: Deno.build.os === "windows", // which has no modes
    async fn() {
      const before = Deno.umask(0);
      const folder = await Deno.makeTempDir();
      const world = { clock: new VirtualClock({ wallMs: 1_795_245_178_000 }), ledger: new Ledger() };
      try {
        await run(folder, world);
        assertNothingAlive(world.ledger);
      } finally {
        Deno.umask(before);
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

interface World {
  readonly clock: VirtualClock;
  readonly ledger: Ledger;
}

testModes(
  "every file of a new store is its owner's alone, whatever kind of store makes it",
  async (folder, world) => {
    for (const [at, open] of OPENS.entries()) {
      const own = `${folder}/${at}`;
      await Deno.mkdir(own);
      await using store = await open(`${own}/store.db`, world);
      if ("nonces" in store) await store.nonces.take(alice, 0);
      else await store.remove(alice);
      await using _ = await openBindingStore(`${own}/store.db`, world);
      assert.deepEqual(await modesIn(own), all("600"));
    }
  },
);

testModes(
  "a file that was there keeps its mode, and what is beside it has the same",
  async (folder, world) => {
    for (const [at, mode] of [0o644, 0o640].entries()) {
      const own = `${folder}/${at}`;
      await Deno.mkdir(own);
      for (const name of ["store.db", "store.db.lock"]) {
        await Deno.writeTextFile(`${own}/${name}`, "", { mode });
      }
      await using store = await openBindingStore(`${own}/store.db`, world);
      await store.nonces.take(alice, 0);
      assert.deepEqual(await modesIn(own), all(mode.toString(8)));
    }
  },
);

testModes("through a link to no file yet its target is made, the owner's alone", async (folder, world) => {
  await Deno.mkdir(`${folder}/target`);
  await Deno.symlink(`${folder}/target/store.db`, `${folder}/link.db`);
  await using store = await openBindingStore(`${folder}/link.db`, world);
  await store.nonces.take(alice, 0);
  assert.deepEqual(await modesIn(`${folder}/target`), all("600"));
});

testModes(
  "where no file can be made SQLite says why, and a store in memory makes none",
  async (folder, world) => {
    await assert.rejects(openBindingStore(`${folder}/none/store.db`, world), StoreError);
    await assert.rejects(openBindingStore(folder, world), StoreError);
    for (const name of ["memory", ":memory:"]) {
      await using store = await openBindingStore(name, world);
      assert.equal(await store.nonces.take(alice, 0), true);
    }
    assert.deepEqual(await modesIn(folder), {});
    await assert.rejects(Deno.lstat(":memory:"), Deno.errors.NotFound);
  },
);

testModes(
  "what SQLite would read as a URL is no name of a store, and makes no file",
  async (folder, world) => {
    for (const open of OPENS) {
      for (const before of ["file:", "FILE:", "file://"]) {
        const named = open(`${before}${folder}/store.db`, world);
        await assert.rejects(named, (error: Error) => {
          assert.ok(error instanceof InvalidStoreNameError);
          assert.match(error.message, /^file is no kind of store$/i);
          return true;
        });
      }
      await assert.rejects(open("file::memory:", world), InvalidStoreNameError);
    }
    assert.deepEqual(await modesIn(folder), {});
  },
);

testModes("a path may have a colon in it", async (folder, world) => {
  for (const name of ["file:store.db", "file.db:1"]) {
    await using _ = await openBindingStore(`${folder}/${name}`, world);
    assert.equal((await modesIn(folder))[name], "600");
  }
});

testModes(
  "a file that is there is not opened: the locks that this process has on it stay",
  async (folder) => {
    const path = `${folder}/store.db`;
    using database = new DatabaseSync(path);
    database.exec("BEGIN EXCLUSIVE");
    assert.equal(await othersSay(path), "database is locked");
    makePrivateFile(path);
    assert.equal(await othersSay(path), "database is locked");
    database.exec("COMMIT");
    assert.equal(await othersSay(path), "free");
  },
);

/** What another process hears that would write to a data base. */
async function othersSay(path: string): Promise<string> {
  const code = `
    const { DatabaseSync } = await import("node:sqlite");
    try {
      new DatabaseSync(${JSON.stringify(path)}).exec("BEGIN IMMEDIATE");
      console.log("free");
    } catch (error) {
      console.log(error.message);
    }`;
  const args = ["eval", "--no-config", code];
  const { stdout } = await new Deno.Command(Deno.execPath(), { args, stderr: "inherit" }).output();
  return new TextDecoder().decode(stdout).trim();
}
