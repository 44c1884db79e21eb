import assert from "node:assert/strict";
import {
  ControlClient,
  type ControlFile,
  controlFilePath,
  makeToken,
  readControlFile,
  removeControlFile,
  writeControlFile,
} from "../../../lib/control/mod.ts";
import type { World } from "../../../lib/runtime/mod.ts";
import { withSimulation } from "../../support/world.ts";

const CONTROL: ControlFile = {
  address: { hostname: "127.0.0.1", port: 3435 },
  token: "ab".repeat(32),
  pid: 4711,
  publicKey: "02".padEnd(66, "0"),
};

function inWorld(test: (world: World) => Promise<void>): Promise<void> {
  return withSimulation(1, async (simulation) => {
    const world = simulation.node("alice");
    await simulation.run(async () => {
      await world.files.makeDirectory("/home");
      await test(world);
    });
  });
}

Deno.test("writeControlFile() and readControlFile() agree; only the owner reads it", () =>
  inWorld(async ({ files }) => {
    await writeControlFile(files, "/home", CONTROL);
    assert.equal((await files.info(controlFilePath("/home")))?.mode, 0o600);
    assert.deepEqual(await readControlFile(files, "/home"), CONTROL);
  }));

const BROKEN: readonly string[] = [
  "",
  "{",
  "null",
  "[]",
  JSON.stringify({ ...CONTROL, address: "127.0.0.1:3435" }),
  JSON.stringify({ ...CONTROL, address: { hostname: "127.0.0.1", port: 0 } }),
  JSON.stringify({ ...CONTROL, token: "" }),
  JSON.stringify({ ...CONTROL, token: 7 }),
  JSON.stringify({ ...CONTROL, pid: "4711" }),
  JSON.stringify({ ...CONTROL, publicKey: undefined }),
  `{"token":"${CONTROL.token}`,
  JSON.stringify({ ...CONTROL, more: "x".repeat(70_000) }),
];

Deno.test("readControlFile() refuses what is no control file, and never repeats the token", () =>
  inWorld(async ({ files }) => {
    for (const text of BROKEN) {
      await files.write(controlFilePath("/home"), new TextEncoder().encode(text));
      await assert.rejects(
        readControlFile(files, "/home"),
        (error: Error & { code?: string; hint?: string }) => {
          assert.equal(error.code, "CONTROL_FILE", text);
          const said = JSON.stringify([error.message, error.hint, String(error.cause)]);
          assert(!said.includes(CONTROL.token), said);
          return true;
        },
      );
    }
    assert.equal(BROKEN.length, 12);
    await assert.rejects(readControlFile(files, "/nowhere"), { code: "NO_VISOR", hint: "skyctl visor run" });
  }));

Deno.test("removeControlFile() leaves a newer visor's file alone", () =>
  inWorld(async ({ files }) => {
    await writeControlFile(files, "/home", CONTROL);
    await removeControlFile(files, "/home", "cd".repeat(32));
    assert.deepEqual(await readControlFile(files, "/home"), CONTROL);
    await removeControlFile(files, "/home", CONTROL.token);
    assert.equal(await files.info(controlFilePath("/home")), undefined);
    await removeControlFile(files, "/home", CONTROL.token); // nothing there: nothing to do
  }));

Deno.test("ControlClient on a stale file says that no visor runs", () =>
  inWorld(async (world) => {
    await writeControlFile(world.files, "/home", CONTROL);
    await using client = await ControlClient.open("/home", world);
    await assert.rejects(client.call("status", {}), { code: "NO_VISOR" });
  }));

Deno.test("makeToken() is 32 random bytes", () =>
  inWorld(async ({ random }) => {
    const tokens = new Set(Array.from({ length: 100 }, () => makeToken(random)));
    assert.equal(tokens.size, 100);
    for (const token of tokens) assert.match(token, /^[0-9a-f]{64}$/);
  }));
