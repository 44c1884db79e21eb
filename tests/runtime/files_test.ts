import assert from "node:assert/strict";
import { type FileHandle, open } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { FileError, NotPermittedError, systemWorld, type World } from "../../lib/runtime/mod.ts";
import { Simulation } from "../../lib/runtime/simulated/mod.ts";
import { assertNothingAlive } from "../support/world.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));
const HOLDER = fileURLToPath(new URL("./_lock_holder.ts", import.meta.url));
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
  async "tryLock() has one owner at a time for each file, there or not, and leaves nothing"(
    { files, ledger },
    at,
  ) {
    await files.write(`${at}/file`, bytes("x"));
    const lock = await files.tryLock(`${at}/file`);
    assert(lock !== undefined);
    assert.deepEqual(ledger.live(), { "file lock": 1 });
    assert.equal(await files.tryLock(`${at}/file`), undefined);
    assert.equal(await files.tryLock(`${at}/./file`), undefined, "the same by another name");
    await files.write(`${at}/file`, bytes("replaced")); // reading and writing go on
    assert.equal(await files.tryLock(`${at}/file`), undefined, "the lock is of the name, not of the bytes");
    const missing = await files.tryLock(`${at}/other`);
    assert.equal(await files.tryLock(`${at}/other`), undefined);
    await missing!.release();
    await lock.release();
    const next = await files.tryLock(`${at}/file`);
    assert(next !== undefined);
    await lock.release(); // a second time: the next one's stays
    assert.equal(await files.tryLock(`${at}/file`), undefined);
    await next.release();
    assert.deepEqual(await files.list(at), ["file"]);
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

const SYSTEM_HAS_OWNERS = Deno.build.os !== "windows";

/** An empty folder of the machine, and the prototype of the handles that files are written by. */
async function inFolder(
  test: (files: World["files"], at: string, handles: FileHandle) => Promise<void>,
): Promise<void> {
  const { files, ledger } = systemWorld();
  const at = await Deno.makeTempDir();
  const umask = SYSTEM_HAS_OWNERS ? Deno.umask() : 0;
  try {
    const handle = await open(`${at}/handle`, "w");
    await handle.close();
    await Deno.remove(`${at}/handle`);
    await test(files, at, Object.getPrototypeOf(handle));
    assertNothingAlive(ledger);
  } finally {
    if (SYSTEM_HAS_OWNERS) Deno.umask(umask);
    await Deno.remove(at, { recursive: true });
  }
}

Deno.test({
  name: "write() keeps every bit of the mode of what it replaces, whatever the umask",
  ignore: !SYSTEM_HAS_OWNERS,
  fn: () =>
    inFolder(async (files, at) => {
      for (const mode of [0o664, 0o400, 0o2666]) {
        for (const umask of [0o000, 0o077]) {
          await files.write(`${at}/file`, bytes("old"));
          await Deno.chmod(`${at}/file`, mode);
          Deno.umask(umask);
          await files.write(`${at}/file`, bytes("new"));
          Deno.umask(0o022);
          assert.deepEqual([(await files.info(`${at}/file`))!.mode, umask], [mode, umask]);
          await files.remove(`${at}/file`);
        }
      }
      Deno.umask(0o077);
      await files.write(`${at}/new`, bytes("new"));
      assert.equal((await files.info(`${at}/new`))!.mode, 0o600, "of a new file the umask is asked");
      await files.write(`${at}/new`, bytes("new"), { mode: 0o644 });
      assert.equal((await files.info(`${at}/new`))!.mode, 0o644, "what is said is meant");
    }),
});

Deno.test({
  name: "write() keeps owner and group of what it replaces; with a mode of its own only when told to",
  ignore: !SYSTEM_HAS_OWNERS || Deno.uid() !== 0,
  fn: () =>
    inFolder(async (files, at) => {
      const owner = async () => {
        const { uid, gid, mode } = await Deno.stat(`${at}/file`);
        return [uid, gid, mode! & 0o7777];
      };
      await files.write(`${at}/file`, bytes("old"));
      await Deno.chown(`${at}/file`, 1234, 5678);
      await Deno.chmod(`${at}/file`, 0o4664); // a change of the owner takes such a bit away
      await files.write(`${at}/file`, bytes("new"));
      assert.deepEqual(await owner(), [1234, 5678, 0o4664]);
      const file = await files.openWrite(`${at}/file`);
      await file.commit();
      assert.deepEqual(await owner(), [1234, 5678, 0o4664]);
      await files.write(`${at}/file`, bytes("new"), { mode: 0o600, owner: "kept" });
      assert.deepEqual(await owner(), [1234, 5678, 0o600]);
      await files.write(`${at}/file`, bytes("a secret"), { mode: 0o600 });
      assert.deepEqual(await owner(), [0, Deno.gid(), 0o600], "nobody else's");
    }),
});

Deno.test({
  name: "write() that must keep an owner and may not changes nothing, and says whose file it is",
  ignore: !SYSTEM_HAS_OWNERS || Deno.uid() !== 0,
  fn: () =>
    inFolder(async (files, at, handles) => {
      await files.write(`${at}/file`, bytes("old"));
      await Deno.chown(`${at}/file`, 1234, 5678);
      const { chown } = handles;
      handles.chown = () => Promise.reject(Object.assign(new Error("EPERM"), { code: "EPERM" })); // as for a user
      try {
        await assert.rejects(files.write(`${at}/file`, bytes("new"), { owner: "kept" }), (error) => {
          assert(error instanceof NotPermittedError);
          assert.match(error.message, /Cannot keep owner and group \(1234:5678\)/);
          assert.match(error.hint!, /as the file's owner/);
          return true;
        });
      } finally {
        handles.chown = chown;
      }
      assert.equal(text(await files.read(`${at}/file`)), "old");
      assert.deepEqual(await files.list(at), ["file"]);
      assert.equal((await Deno.stat(`${at}/file`)).uid, 1234);
    }),
});

Deno.test({
  name:
    "write() that may not keep the owner makes the file ours when that will do, and never lets it run as us",
  ignore: !SYSTEM_HAS_OWNERS || Deno.uid() !== 0,
  fn: () =>
    inFolder(async (files, at, handles) => {
      await files.write(`${at}/file`, bytes("old"));
      await Deno.chown(`${at}/file`, 1234, 5678);
      await Deno.chmod(`${at}/file`, 0o4666);
      const { chown } = handles;
      handles.chown = () => Promise.reject(Object.assign(new Error("EPERM"), { code: "EPERM" })); // as for a user
      try {
        await files.write(`${at}/file`, bytes("new"));
      } finally {
        handles.chown = chown;
      }
      assert.equal(text(await files.read(`${at}/file`)), "new");
      const { uid, mode } = await Deno.stat(`${at}/file`);
      assert.deepEqual([uid, mode! & 0o7777], [0, 0o666]);
    }),
});

Deno.test("commit() has the bytes on the disk before the name points at them, and the name after that", () =>
  inFolder(async (files, at, handles) => {
    const done: string[] = [];
    const { sync: ofFile } = handles;
    const { rename } = Deno;
    const { sync: ofFolder } = Deno.FsFile.prototype;
    handles.sync = function () {
      done.push("file");
      return ofFile.call(this);
    };
    Deno.rename = (from, to) => {
      done.push("name");
      return rename(from, to);
    };
    Deno.FsFile.prototype.sync = function () {
      done.push("folder");
      return ofFolder.call(this);
    };
    try {
      await files.write(`${at}/file`, bytes("x"));
    } finally {
      handles.sync = ofFile;
      Deno.rename = rename;
      Deno.FsFile.prototype.sync = ofFolder;
    }
    assert.deepEqual(done.slice(0, 2), ["file", "name"]);
    if (SYSTEM_HAS_OWNERS) assert.deepEqual(done, ["file", "name", "folder"]);
  }));

Deno.test("tryLock() takes what a killed process held, at once; a link is the file that it names", () =>
  inFolder(async (files, at) => {
    await files.write(`${at}/file`, bytes("x"));
    if (SYSTEM_HAS_OWNERS) await Deno.symlink(`${at}/file`, `${at}/link`);
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", `--config=${CONFIG}`, HOLDER, `${at}/file`],
      stdout: "piped",
      stdin: "null",
    }).spawn();
    const reader = child.stdout.getReader();
    assert.equal(text((await reader.read()).value!), "held\n");
    assert.equal(await files.tryLock(`${at}/file`), undefined);
    if (SYSTEM_HAS_OWNERS) assert.equal(await files.tryLock(`${at}/link`), undefined);
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    assert.equal((await Deno.lstat(`${at}/.file.skyctl-lock`)).isFile, true, "it could not tidy up");
    const lock = await files.tryLock(`${at}/file`);
    assert(lock !== undefined);
    await lock.release();
    if (SYSTEM_HAS_OWNERS) assert.deepEqual(await files.list(at), ["file", "link"]);
  }));

Deno.test({
  name: "tryLock() may be had by every user that can read; what is no file in its place is refused",
  ignore: !SYSTEM_HAS_OWNERS,
  fn: () =>
    inFolder(async (files, at) => {
      Deno.umask(0o077);
      const lock = await files.tryLock(`${at}/file`);
      assert.equal((await Deno.stat(`${at}/.file.skyctl-lock`)).mode! & 0o777, 0o644);
      await lock!.release();
      await Deno.writeTextFile(`${at}/mine`, "mine");
      await Deno.symlink(`${at}/mine`, `${at}/.file.skyctl-lock`);
      await assert.rejects(files.tryLock(`${at}/file`), { code: "FILE_ERROR" });
      await assert.rejects(files.tryLock(`${at}/none/file`), { code: "FILE_NOT_FOUND" });
      assert.equal(await Deno.readTextFile(`${at}/mine`), "mine");
    }),
});

Deno.test({
  name: "tryLock() of a lock file that its owner has just removed is no lock",
  ignore: !SYSTEM_HAS_OWNERS,
  fn: () =>
    inFolder(async (files, at) => {
      const { tryLock } = Deno.FsFile.prototype;
      // The last owner gives it back between our open and our lock; the next one has made another by then.
      Deno.FsFile.prototype.tryLock = async function (exclusive) {
        await Deno.remove(`${at}/.file.skyctl-lock`);
        await Deno.writeTextFile(`${at}/.file.skyctl-lock`, "");
        return await tryLock.call(this, exclusive);
      };
      try {
        assert.equal(await files.tryLock(`${at}/file`), undefined);
      } finally {
        Deno.FsFile.prototype.tryLock = tryLock;
      }
      const lock = await files.tryLock(`${at}/file`);
      assert(lock !== undefined);
      await lock.release();
    }),
});
