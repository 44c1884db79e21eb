import assert from "node:assert/strict";
import { FileError, NotPermittedError, systemWorld, type World } from "../../lib/runtime/mod.ts";
import { Simulation } from "../../lib/runtime/simulated/mod.ts";
import { assertNothingAlive } from "../support/world.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (value: string) => new TextEncoder().encode(value);

Deno.test({
  name: "read() takes a pipe to its end, and no more than a part of a device that has none",
  ignore: Deno.build.os === "windows",
  async fn() {
    const { files } = systemWorld();
    assert.equal((await files.read("/dev/null")).length, 0);
    await assert.rejects(files.read("/dev/zero"), (error) => {
      assert(error instanceof FileError && error.cause instanceof Error);
      assert.equal(error.cause.message, "It is no file, and has no end in 67108864 bytes");
      return true;
    });
    const folder = await Deno.makeTempDir();
    try {
      await new Deno.Command("mkfifo", { args: [`${folder}/pipe`] }).output();
      const writing = Deno.writeTextFile(`${folder}/pipe`, "through a pipe");
      assert.equal(text(await files.read(`${folder}/pipe`)), "through a pipe");
      await writing;
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

/** What holds of Files in every world. `at` is an empty directory. */
const CASES: Record<string, (world: World, at: string) => Promise<void>> = {
  async "write() replaces a file whole, with its mode"({ files }, at) {
    await files.write(`${at}/key`, bytes("first"), { mode: 0o600 });
    assert.equal((await files.info(`${at}/key`))!.mode, 0o600);
    await files.write(`${at}/key`, bytes("2nd"));
    const info = (await files.info(`${at}/key`))!;
    assert.equal(text(await files.read(`${at}/key`)), "2nd");
    assert.deepEqual([info.isFile, info.isDirectory, info.bytes], [true, false, 3]);
    assert.equal(info.mode, 0o600, "a secret stays one when it is written again");
    await files.write(`${at}/key`, bytes("third"), { mode: 0o644 });
    assert.equal((await files.info(`${at}/key`))!.mode, 0o644);
    assert.deepEqual(await files.list(at), ["key"], "no temporary file stays");
  },
  async "what is missing is FILE_NOT_FOUND, or undefined info"({ files }, at) {
    const missing = { code: "FILE_NOT_FOUND" };
    await assert.rejects(files.read(`${at}/no`), missing);
    await assert.rejects(files.openRead(`${at}/no`), missing);
    await assert.rejects(files.remove(`${at}/no`), missing);
    await assert.rejects(files.list(`${at}/no`), missing);
    await assert.rejects(files.write(`${at}/no/file`, bytes("x")), missing);
    assert.equal(await files.info(`${at}/no`), undefined);
  },
  async "a directory is no file, and a file no directory"({ files }, at) {
    await files.write(`${at}/file`, bytes("x"));
    const wrong = { code: "FILE_ERROR" };
    await assert.rejects(files.read(at), wrong);
    await assert.rejects(files.write(at, bytes("x")), wrong);
    await assert.rejects(files.openRead(at), wrong);
    await assert.rejects(files.list(`${at}/file`), wrong);
    await assert.rejects(files.remove(at), wrong);
    await assert.rejects(files.makeDirectory(`${at}/file`), wrong);
    assert.equal((await files.info(at))!.isDirectory, true);
  },
  async "directories are made with their parents, listed in order and removed"({ files }, at) {
    await files.makeDirectory(`${at}/a/b/c`);
    await files.makeDirectory(`${at}/a/b/c`);
    for (const name of ["z", "m", "a"]) await files.write(`${at}/a/${name}`, bytes(name));
    assert.deepEqual(await files.list(`${at}/a`), ["a", "b", "m", "z"]);
    await files.remove(`${at}/a/b/c`);
    await files.remove(`${at}/a/m`);
    assert.deepEqual(await files.list(`${at}/a`), ["a", "b", "z"]);
  },
  async "absolute() leaves a path from the root alone, and names the same file"({ files }, at) {
    assert.equal(files.absolute(at), at);
    assert.equal(files.absolute(`${at}/a/../b`), `${at}/b`);
    assert.ok(files.absolute("x").length > 1 && files.absolute("x").endsWith("x"));
  },
  async "append() makes the file and adds to it"({ files }, at) {
    await files.append(`${at}/log`, bytes("one "), { mode: 0o600 });
    await files.append(`${at}/log`, bytes("two"));
    assert.equal(text(await files.read(`${at}/log`)), "one two");
    assert.equal((await files.info(`${at}/log`))!.mode, 0o600);
  },
  async "openRead() gives the bytes in pieces, then 0"({ files, ledger }, at) {
    await files.write(`${at}/file`, bytes("0123456789"));
    const file = await files.openRead(`${at}/file`);
    assert.equal(file.bytes, 10);
    assert.deepEqual(ledger.live(), { file: 1 });
    const into = new Uint8Array(4);
    let whole = "";
    for (let count = await file.read(into); count > 0; count = await file.read(into)) {
      whole += text(into.subarray(0, count));
    }
    assert.equal(whole, "0123456789");
    file.close();
    file.close();
  },
  async "openWrite() shows nothing before commit(), and discard() leaves nothing"({ files }, at) {
    await files.write(`${at}/file`, bytes("old"));
    const kept = await files.openWrite(`${at}/file`);
    const dropped = await files.openWrite(`${at}/other`, { mode: 0o600 });
    const part = bytes("new");
    await kept.write(part);
    part.fill(0); // the bytes are the caller's again
    await kept.write(bytes("er"));
    await dropped.write(bytes("x"));
    assert.equal(text(await files.read(`${at}/file`)), "old");
    await kept.commit();
    await dropped.discard();
    await dropped.discard();
    await kept.discard(); // too late: it is in place
    assert.equal(text(await files.read(`${at}/file`)), "newer");
    assert.deepEqual(await files.list(at), ["file"]);
  },
};

for (const [title, test] of Object.entries(CASES)) {
  Deno.test(`files of the machine: ${title}`, async () => {
    const world = systemWorld();
    const at = await Deno.makeTempDir();
    try {
      await test(world, at);
      assertNothingAlive(world.ledger);
    } finally {
      await Deno.remove(at, { recursive: true });
    }
  });

  Deno.test(`files of a simulated node: ${title}`, async () => {
    const simulation = new Simulation({ seed: 1 });
    const node = simulation.node("alice");
    await simulation.run(async () => {
      await node.files.makeDirectory("/home/at");
      await test(node, "/home/at");
    });
    assert.deepEqual(simulation.live(), {});
  });
}

Deno.test("write() follows a link, and a failed one leaves no temporary file", async () => {
  const { files, ledger } = systemWorld();
  const at = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${at}/real`);
    await files.write(`${at}/real/config`, bytes("old"));
    await Deno.symlink(`${at}/real/config`, `${at}/link`);
    await files.write(`${at}/link`, bytes("new"));
    assert.equal(text(await files.read(`${at}/real/config`)), "new");
    assert.ok((await Deno.lstat(`${at}/link`)).isSymlink);

    const file = await files.openWrite(`${at}/real/other`);
    await Deno.mkdir(`${at}/real/other`); // something takes the name meanwhile
    await assert.rejects(file.commit(), { code: "FILE_ERROR" });
    await file.discard();
    assert.deepEqual(await files.list(`${at}/real`), ["config", "other"]);
    assertNothingAlive(ledger);
  } finally {
    await Deno.remove(at, { recursive: true });
  }
});

Deno.test({
  name: "a file of someone else is NOT_PERMITTED (skipped for root, who may do everything)",
  ignore: Deno.build.os === "windows" || Deno.uid() === 0,
  fn: () => assert.rejects(systemWorld().files.read("/etc/shadow"), NotPermittedError),
});
