/** One process per file: another one is refused, and told why; what is left of one that was killed locks nobody out. */
import assert from "node:assert/strict";
import { Ledger } from "../../../lib/base/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import {
  openBindingStore,
  openEntryStore,
  openTransportStore,
  openUptimeStore,
  StoreError,
  StoreInUseError,
} from "../../../lib/services/store/mod.ts";
import { assertNothingAlive } from "../../support/world.ts";
import { key, stored } from "./store_compliance.ts";

const OPENS = [openEntryStore, openTransportStore, openBindingStore, openUptimeStore];

/** Another process that opens a store of entries in `file`, and has it until it is killed. */
class OtherProcess {
  readonly #process: Deno.ChildProcess;
  private constructor(process: Deno.ChildProcess) {
    this.#process = process;
  }
  /** Gives the name of the error where it is refused. */
  static async open(file: string): Promise<OtherProcess | string> {
    const at = (path: string) => JSON.stringify(import.meta.resolve(`../../../lib/${path}`));
    const code = `
      const { openEntryStore } = await import(${at("services/store/mod.ts")});
      const { VirtualClock } = await import(${at("runtime/simulated/mod.ts")});
      const { Ledger } = await import(${at("base/mod.ts")});
      const world = { clock: new VirtualClock(), ledger: new Ledger() };
      const store = await openEntryStore(${JSON.stringify(file)}, world).catch((error) => {
        console.log(error.code);
        Deno.exit(1);
      });
      console.log("open");
      await new Promise(() => setInterval(() => store.check(), 1_000));`;
    const args = [
      "eval",
      "--no-check",
      "--config",
      new URL(import.meta.resolve("../../../deno.json")).pathname,
      code,
    ];
    const process = new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "inherit" }).spawn();
    const reader = process.stdout.getReader();
    const { value } = await reader.read();
    const told = new TextDecoder().decode(value).trim();
    const other = new OtherProcess(process);
    reader.releaseLock();
    if (told === "open") return other;
    await other.kill();
    return told;
  }
  async kill(): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended by itself
    }
    await this.#process.stdout.cancel();
    await this.#process.status;
  }
}

Deno.test("a file that another process has is refused, whatever path leads to it, until that process is gone", async () => {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  const file = `${folder}/store.db`;
  await Deno.symlink(folder, `${folder}-link`);
  const world = { clock: new VirtualClock(), ledger: new Ledger() };
  const other = await OtherProcess.open(file);
  assert.ok(other instanceof OtherProcess, `${other}`);
  for (const path of [file, `${folder}-link/store.db`]) {
    for (const open of OPENS) {
      await assert.rejects(open(path, world), (error) => {
        assert.ok(error instanceof StoreInUseError, `${error} ${(error as Error).cause}`);
        assert.equal(error.file, file);
        assert.ok(error.message.includes(file) && /another process/.test(error.message));
        assert.match(error.hint ?? "", /--redis/);
        return true;
      });
    }
  }
  await openEntryStore(`${folder}/other.db`, world).then((store) => store[Symbol.asyncDispose]());
  await other.kill();
  {
    await using entries = await openEntryStore(file, world);
    await using transports = await openTransportStore(`${folder}-link/store.db`, world);
    await entries.put(stored(key(1), { delegatedServers: [] }), { ttlMs: 60_000, replaces: undefined });
    await transports.check();
    assert.equal(await OtherProcess.open(file), "STORE_IN_USE");
    await entries[Symbol.asyncDispose]();
    assert.equal(
      await OtherProcess.open(file),
      "STORE_IN_USE",
      "the other store of this process has it still",
    );
  }
  const next = await OtherProcess.open(file);
  assert.ok(next instanceof OtherProcess, "the last one that closes gives it free");
  await next.kill();
  assertNothingAlive(world.ledger);
  await Deno.remove(`${folder}-link`);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a file that is no data base is refused, and stays nobody's", async () => {
  const folder = await Deno.makeTempDir();
  const file = `${folder}/store.db`;
  await Deno.writeTextFile(file, "something else ".repeat(1_000));
  const world = { clock: new VirtualClock(), ledger: new Ledger() };
  for (const open of OPENS) await assert.rejects(open(file, world), StoreError);
  await Deno.remove(file);
  const other = await OtherProcess.open(file);
  assert.ok(other instanceof OtherProcess, "no lock is left");
  await other.kill();
  await Deno.remove(folder, { recursive: true });
});
