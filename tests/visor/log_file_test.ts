import assert from "node:assert/strict";
import type { LogRecord } from "../../lib/base/mod.ts";
import { FileError, type Files, type World } from "../../lib/runtime/mod.ts";
import { LOG_FILE_BYTES_MAX, LOG_QUEUE_MAX, LogFile } from "../../lib/visor/mod.ts";
import { withSimulation } from "../support/world.ts";

const PATH = "/home/log/skywire.log";

/** A world on whose disk appends do what `append` does. */
function onDisk(
  { clock, files }: World,
  append: Files["append"],
): Pick<World, "clock" | "files" | "outside"> {
  return { clock, files: { ...files, append }, outside: (work) => work() };
}

Deno.test("LogFile keeps lines of its level in the ring and the file, as Skywire writes them, in mode 0600", () =>
  withSimulation(1, async (simulation) => {
    const world = simulation.node("visor");
    await simulation.run(async () => {
      await world.files.makeDirectory("/home/log");
      const records: LogRecord[] = [];
      const file = new LogFile({
        world,
        level: "info",
        path: PATH,
        onRecord: (record) => records.push(record),
      });
      file.log.debug("not kept");
      file.log.info("Session established", { server: "02ab" });
      file.log.child("dmsg").warn("two\nlines");
      await file[Symbol.asyncDispose]();
      const text = new TextDecoder().decode(await world.files.read(PATH));
      assert.equal(text, file.ring.text());
      assert.match(
        text,
        /^\[20\d\d-[^\]]+Z\] INFO \[skyctl\]: Session established server=02ab\n\[[^\]]+\] WARN \[dmsg\]: two\S*lines\n$/,
      );
      assert.equal((await world.files.info(PATH))?.mode, 0o600);
      assert.deepEqual(records.map(({ level }) => level), ["info", "warn"]);
    });
  }));

Deno.test("LogFile turns its file over at 1 MiB, and keeps one backup", () =>
  withSimulation(2, async (simulation) => {
    const world = simulation.node("visor");
    await simulation.run(async () => {
      await world.files.makeDirectory("/home/log");
      const line = "x".repeat(1000);
      for (let run = 0; run < 3; run++) { // the size is looked up again at each start
        const file = new LogFile({ world, level: "info", path: PATH });
        for (let index = 0; index < 900; index++) {
          file.log.info(line);
          if (index % 100 === 99) await file[Symbol.asyncDispose]();
        }
      }
      const sizes = [(await world.files.info(PATH))!.bytes, (await world.files.info(`${PATH}.1`))!.bytes];
      assert(sizes.every((bytes) => bytes > 0 && bytes <= LOG_FILE_BYTES_MAX), String(sizes));
      assert.deepEqual(await world.files.list("/home/log"), ["skywire.log", "skywire.log.1"]);
      assert.equal((await world.files.info(`${PATH}.1`))?.mode, 0o600);
    });
  }));

Deno.test("LogFile on a disk that hangs drops lines above its bound, counts them, and holds nobody up", () =>
  withSimulation(3, async (simulation) => {
    const world = simulation.node("visor");
    await simulation.run(async () => {
      await world.files.makeDirectory("/home/log");
      const open = Promise.withResolvers<void>();
      const slow = onDisk(world, async (path, bytes, options) => {
        await open.promise;
        await world.files.append(path, bytes, options);
      });
      const file = new LogFile({ world: slow, level: "info", path: PATH });
      file.log.info("first");
      await Promise.resolve();
      await Promise.resolve();
      for (let index = 0; index < LOG_QUEUE_MAX + 7; index++) file.log.info("line");
      open.resolve();
      await file[Symbol.asyncDispose]();
      const lines = new TextDecoder().decode(await world.files.read(PATH)).split("\n");
      assert.equal(lines.filter((line) => line.endsWith("]: line")).length, LOG_QUEUE_MAX);
      assert(lines.includes("(7 lines dropped: the disk is too slow)"), lines.at(-2));
    });
  }));

Deno.test("LogFile on a full disk says so, keeps the ring, and writes again once there is room", () =>
  withSimulation(4, async (simulation) => {
    const world = simulation.node("visor");
    await simulation.run(async () => {
      await world.files.makeDirectory("/home/log");
      let isFull = true;
      const full = onDisk(world, (path, bytes, options) => {
        if (isFull) return Promise.reject(new FileError("No space left on device"));
        return world.files.append(path, bytes, options);
      });
      const file = new LogFile({ world: full, level: "info", path: PATH });
      file.log.info("lost");
      await file[Symbol.asyncDispose]();
      assert.match(file.failure ?? "", /No space left/);
      isFull = false;
      file.log.info("kept");
      await file[Symbol.asyncDispose]();
      assert.equal(file.failure, undefined);
      assert.match(
        new TextDecoder().decode(await world.files.read(PATH)),
        /^\[\S+\] INFO \[skyctl\]: kept\n$/,
      );
      assert.match(file.ring.text(), /lost\n.*kept\n$/);
    });
  }));

Deno.test("LogFile without a path is memory only", () =>
  withSimulation(5, async (simulation) => {
    const world = simulation.node("visor");
    await simulation.run(async () => {
      const file = new LogFile({ world, level: "debug" });
      file.log.debug("said");
      await file[Symbol.asyncDispose]();
      assert.match(file.ring.text(), /DEBUG \[skyctl\]: said\n$/);
      assert.deepEqual(await world.files.list("/"), []);
    });
  }));

Deno.test("LogFile writes a line that comes in the very moment in which the last write ends", async () => {
  for (let turns = 0; turns < 8; turns++) {
    await withSimulation(1, async (simulation) => {
      const world = simulation.node("visor");
      const written: string[] = [];
      await simulation.run(async () => {
        const disk = onDisk(world, (_path, bytes) => {
          written.push(new TextDecoder().decode(bytes));
          const ended = Promise.resolve();
          if (written.length === 1) void logAfter(ended, turns);
          return ended;
        });
        const file = new LogFile({ world: disk, level: "info", path: PATH });
        const logAfter = async (ended: Promise<void>, count: number) => {
          await ended;
          for (let turn = 0; turn < count; turn++) await Promise.resolve();
          file.log.info("second");
        };
        file.log.info("first");
        for (let turn = 0; turn < 40; turn++) await Promise.resolve();
        await file[Symbol.asyncDispose]();
      });
      assert.match(written.join(""), /first\n[^]*second\n/, `${turns} turns after`);
    });
  }
});
