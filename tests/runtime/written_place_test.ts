/** What is written to a path that names no file: pipes, devices, descriptors, links to nothing. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { WorldError } from "../../lib/base/mod.ts";
import { FileError, FileNotFoundError, systemWorld } from "../../lib/runtime/mod.ts";
import { assertNothingAlive } from "../support/world.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (value: string) => new TextEncoder().encode(value);
const IS_UNIX = Deno.build.os !== "windows";
const IS_LINUX_ROOT = Deno.build.os === "linux" && Deno.uid() === 0;
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));
const WRITER = fileURLToPath(new URL("./_writer.ts", import.meta.url));

/** An empty folder, in which nothing that was opened stays so. */
async function inFolder(
  test: (files: ReturnType<typeof systemWorld>["files"], at: string) => Promise<void>,
): Promise<void> {
  const { files, ledger } = systemWorld();
  const at = await Deno.makeTempDir();
  try {
    await test(files, at);
    assertNothingAlive(ledger);
  } finally {
    await Deno.remove(at, { recursive: true });
  }
}

/** A pipe that is empty would keep its reader: so something is put behind what it may have. */
async function assertEmpty(pipe: Deno.FsFile): Promise<void> {
  await pipe.write(bytes("nothing before"));
  const into = new Uint8Array(64);
  assert.equal(text(into.subarray(0, (await pipe.read(into))!)), "nothing before");
}

async function makePipe(path: string): Promise<void> {
  assert((await new Deno.Command("mkfifo", { args: [path] }).output()).success);
}

Deno.test({
  name: "write() goes into a pipe, by a link too and with a mode, and leaves it a pipe",
  ignore: !IS_UNIX,
  fn: () =>
    inFolder(async (files, at) => {
      await makePipe(`${at}/pipe`);
      await Deno.symlink("pipe", `${at}/link`);
      for (const [name, options] of [["pipe", {}], ["link", {}], ["pipe", { mode: 0o600 }]] as const) {
        // Opened for both, so that neither end waits for the other, whatever write() does.
        using pipe = await Deno.open(`${at}/pipe`, { read: true, write: true });
        await files.write(`${at}/${name}`, bytes("through a pipe"), options);
        assert((await Deno.lstat(`${at}/pipe`)).isFifo, "it is no file now");
        const into = new Uint8Array(64);
        assert.equal(text(into.subarray(0, (await pipe.read(into))!)), "through a pipe");
      }
      assert((await Deno.lstat(`${at}/link`)).isSymlink);
      assert.deepEqual(await files.list(at), ["link", "pipe"]);
    }),
});

Deno.test({
  name: "write() into a pipe that nobody reads is refused at once, and not waited for",
  ignore: !IS_UNIX,
  fn: () =>
    inFolder(async (files, at) => {
      await makePipe(`${at}/pipe`);
      await assert.rejects(files.write(`${at}/pipe`, bytes("x")), (error) => {
        assert(error instanceof FileError);
        assert.match(error.message, /^Nobody reads the pipe .*\/pipe$/);
        assert.equal(error.hint, "start its reader first");
        return true;
      });
      assert.deepEqual(await files.list(at), ["pipe"]);
    }),
});

Deno.test({
  name: "write() by a link to nothing makes what the link names; links that go round are an error",
  ignore: !IS_UNIX,
  fn: () =>
    inFolder(async (files, at) => {
      await Deno.mkdir(`${at}/there`);
      await Deno.symlink("there/file", `${at}/link`);
      await Deno.symlink("link", `${at}/over`);
      await files.write(`${at}/over`, bytes("made"));
      assert.equal(text(await files.read(`${at}/there/file`)), "made");
      assert((await Deno.lstat(`${at}/link`)).isSymlink && (await Deno.lstat(`${at}/over`)).isSymlink);
      await files.write(`${at}/over`, bytes("again"));
      assert.equal(text(await files.read(`${at}/there/file`)), "again");
      await Deno.symlink("round", `${at}/about`);
      await Deno.symlink("about", `${at}/round`);
      await assert.rejects(files.write(`${at}/round`, bytes("x")), FileError);
      assert.deepEqual(await files.list(at), ["about", "link", "over", "round", "there"]);
    }),
});

Deno.test({
  name: "write() for the owner alone does not go into a pipe of somebody else: its name has a file then",
  ignore: !IS_LINUX_ROOT,
  fn: () =>
    inFolder(async (files, at) => {
      await makePipe(`${at}/pipe`);
      await Deno.chown(`${at}/pipe`, 1234, 5678);
      using pipe = await Deno.open(`${at}/pipe`, { read: true, write: true });
      await files.write(`${at}/pipe`, bytes("a secret"), { mode: 0o600 });
      const { isFile, uid, mode } = await Deno.lstat(`${at}/pipe`);
      assert.deepEqual([isFile, uid, mode! & 0o777], [true, 0, 0o600]);
      await assertEmpty(pipe);
    }),
});

for (
  const [what, swap] of [
    ["a file", (path: string) => Deno.writeTextFile(path, "")],
    ["a pipe of somebody else", async (path: string) => {
      await makePipe(path);
      await Deno.chown(path, 1234, 5678);
    }],
  ] as const
) {
  Deno.test({
    name: `write() for the owner alone does not go into ${what} that took the place of an own pipe just now`,
    ignore: !IS_LINUX_ROOT,
    fn: () =>
      inFolder(async (files, at) => {
        await makePipe(`${at}/pipe`);
        await swap(`${at}/other`);
        using other = await Deno.open(`${at}/other`, { read: true, write: true });
        const { stat } = Deno;
        let looks = 0;
        Deno.stat = async (path) => {
          const found = await stat(path);
          if (++looks === 1) await Deno.rename(`${at}/other`, `${at}/pipe`); // behind the first look
          return found;
        };
        try {
          await assert.rejects(files.write(`${at}/pipe`, bytes("a secret"), { mode: 0o600 }), (error) => {
            assert(error instanceof FileError);
            assert.match(error.message, /^Something else is in the place of .*\/pipe now$/);
            return true;
          });
        } finally {
          Deno.stat = stat;
        }
        assert(looks >= 1);
        await other.write(bytes("!"));
        await other.seek(0, Deno.SeekMode.Start).catch(() => {});
        const into = new Uint8Array(64);
        assert.equal(text(into.subarray(0, (await other.read(into))!)), "!");
      }),
  });
}

Deno.test({
  name: "tryLock() of what is no file, or of a descriptor, has nothing to lock, and makes nothing",
  ignore: !IS_UNIX,
  fn: () =>
    inFolder(async (files, at) => {
      await makePipe(`${at}/pipe`);
      for (const path of [`${at}/pipe`, "/dev/null", "/dev/fd/1"]) {
        const locks = [await files.tryLock(path), await files.tryLock(path)];
        assert(locks.every((lock) => lock !== undefined), path);
        for (const lock of locks) await lock!.release();
      }
      assert.deepEqual(await files.list(at), ["pipe"]);
    }),
});

for (
  const [how, line, expected] of [
    ["behind what a file had", '(echo head; "$0" "$@"; echo foot) >> FILE', "before\nhead\nwritten\nfoot\n"],
    ["in the place of what a file had", '(echo head; "$0" "$@"; echo foot) > FILE', "head\nwritten\nfoot\n"],
    ["into a pipe", '"$0" "$@" | cat >> FILE', "before\nwritten\n"],
  ] as const
) {
  for (const place of ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]) {
    Deno.test({
      name: `write() to ${place} comes ${how}, and takes nothing away`,
      ignore: !IS_UNIX || Deno.build.os !== "linux" && place.startsWith("/proc"),
      fn: () =>
        inFolder(async (files, at) => {
          await Deno.writeTextFile(`${at}/file`, "before\n");
          const command = [Deno.execPath(), "run", "-A", "--no-check", "--config", CONFIG, WRITER, place];
          const { code, stderr } = await new Deno.Command("sh", {
            args: ["-c", line.replace("FILE", `"${at}/file"`), ...command],
          }).output();
          assert.deepEqual([code, text(stderr)], [0, ""]);
          assert.equal(await Deno.readTextFile(`${at}/file`), expected);
          assert.deepEqual(await files.list(at), ["file"]);
        }),
    });
  }
}

for (const [descriptor, number] of [["/dev/fd/7", 7], ["/proc/$$/fd/7", 7], ["/proc/$$/fd/1", 1]] as const) {
  Deno.test({
    name: `write() to a file by its descriptor ${descriptor} is refused: what is there stays, and goes on`,
    ignore: Deno.build.os !== "linux",
    fn: () =>
      inFolder(async (files, at) => {
        await Deno.writeTextFile(`${at}/file`, "before\n");
        const command = [Deno.execPath(), "run", "-A", "--no-check", "--config", CONFIG, WRITER, descriptor];
        const words = command.map((each) => `"${each}"`).join(" ");
        const line = `exec ${number}>> "${at}/file"; ${words}; echo after >&${number}`;
        const { stderr } = await new Deno.Command("sh", { args: ["-c", line] }).output();
        assert.match(
          text(stderr),
          /Cannot write to a file by the name of its descriptor: \/proc\/\d+\/fd\/\d/,
        );
        assert.equal(await Deno.readTextFile(`${at}/file`), "before\nafter\n");
        assert.deepEqual(await files.list(at), ["file"]);
      }),
  });
}

Deno.test("append() in a folder that is missing names that folder, as write() does", () =>
  inFolder(async (files, at) => {
    for (const write of [files.append, files.write]) {
      await assert.rejects(write.call(files, `${at}/no/log`, bytes("x")), (error) => {
        assert(error instanceof FileNotFoundError);
        assert.equal(error.message, `No such folder: ${at}/no`);
        return true;
      });
    }
  }));

Deno.test({
  name: "write() to a descriptor that is not open says so",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    inFolder(async (files) => {
      await assert.rejects(files.write("/dev/fd/987", bytes("x")), (error) => {
        assert(error instanceof FileError);
        assert.match(error.message, /^Nothing is open by the name \/proc\/\d+\/fd\/987$/);
        return true;
      });
    }),
});

Deno.test({
  name: "write() for the owner alone does not go into what another process has open of somebody else",
  ignore: !IS_LINUX_ROOT,
  fn: () =>
    inFolder(async (files, at) => {
      await makePipe(`${at}/pipe`);
      await Deno.chown(`${at}/pipe`, 1234, 5678);
      const line = `exec 7<> "${at}/pipe"; echo there; read -r _`;
      await using other = new Deno.Command("sh", { args: ["-c", line], stdin: "piped", stdout: "piped" })
        .spawn();
      const said = other.stdout.getReader();
      await said.read();
      await Deno.symlink(`/proc/${other.pid}/fd/7`, `${at}/link`);
      await assert.rejects(files.write(`${at}/link`, bytes("a secret"), { mode: 0o600 }), WorldError);
      using pipe = await Deno.open(`${at}/pipe`, { read: true, write: true });
      await assertEmpty(pipe);
      await other.stdin.close();
      await said.cancel();
      await other.status;
      await Deno.remove(`${at}/link`);
    }),
});

Deno.test("write() to a path from the root on needs no folder that it is done in", () =>
  inFolder(async (files, at) => {
    const { cwd } = Deno;
    Deno.cwd = () => {
      throw new Deno.errors.NotFound("it was removed");
    };
    try {
      await files.write(`${at}/file`, bytes("written"));
      await (await files.tryLock(`${at}/file`))!.release();
      assert.equal(files.absolute(`${at}/file`), `${at}/file`);
    } finally {
      Deno.cwd = cwd;
    }
    assert.equal(text(await files.read(`${at}/file`)), "written");
  }));

Deno.test({
  name: "write() by a link into a folder that is missing names that folder",
  ignore: !IS_UNIX,
  fn: () =>
    inFolder(async (files, at) => {
      await Deno.symlink("missing/file", `${at}/link`);
      await assert.rejects(files.write(`${at}/link`, bytes("x")), (error) => {
        assert(error instanceof FileNotFoundError);
        assert(error.path.endsWith("/missing"), error.path);
        return true;
      });
    }),
});
