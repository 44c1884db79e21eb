/** Files that are edited in place: one at a time, nothing lost, an end to every wait. */
import assert from "node:assert/strict";
import {
  applyEdits,
  editFile,
  FileBusyError,
  setValueEdit,
  whileLocked,
} from "../../../lib/deployment/edit/mod.ts";
import { NotPermittedError, sleep, type World } from "../../../lib/runtime/mod.ts";
import { withSimulation } from "../../support/world.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const textOf = async ({ files }: World) => new TextDecoder().decode(await files.read("/file.json"));
const setting = (name: string, value: unknown) => (text: string) => ({
  edits: [setValueEdit(text, [name], value, "/file.json")],
});

async function withFile(seed: number, test: (world: World) => Promise<void>): Promise<void> {
  await withSimulation(seed, async (simulation) => {
    const world = simulation.node("operator", { address: "203.0.113.9" });
    await simulation.run(async () => {
      await world.files.write("/file.json", utf8('{"a":1}'), { mode: 0o640 });
      await test(world);
    });
  });
}

/** The same world, whose reads take 5 ms, so that others come in between. */
function slow(world: World): World {
  const files = {
    ...world.files,
    async read(path: string) {
      const bytes = await world.files.read(path);
      await sleep(world.clock, 5);
      return bytes;
    },
  };
  return Object.assign(Object.create(world), { files }) as World;
}

Deno.test("editFile() of many at once: each acknowledged change is in the file", () =>
  withFile(1, async (world) => {
    const names = Array.from({ length: 20 }, (_, index) => `member${index}`);
    const done = await Promise.all(
      names.map((name) => editFile(slow(world), "/file.json", setting(name, 1))),
    );
    assert(done.every(({ changed }) => changed));
    assert.deepEqual(Object.keys(JSON.parse(await textOf(world))).sort(), ["a", ...names].sort());
    assert.equal((await world.files.info("/file.json"))!.mode, 0o640);
  }));

Deno.test("editFile() writes only where the owner can be kept: the visor that has the file is to read it", () =>
  withFile(6, async (world) => {
    const asked: unknown[] = [];
    const files = {
      ...world.files,
      write(path: string, _bytes: Uint8Array, options: unknown) {
        asked.push(options);
        return Promise.reject(new NotPermittedError(`Cannot keep owner and group of ${path}`));
      },
    };
    const edited = editFile(Object.assign(Object.create(world), { files }), "/file.json", setting("a", 2));
    await assert.rejects(edited, NotPermittedError);
    assert.deepEqual(asked, [{ owner: "kept" }]);
    assert.equal(await textOf(world), '{"a":1}');
    await (await world.files.tryLock("/file.json"))!.release();
  }));

Deno.test("editFile() tells the text that it changed, and needs neither lock nor right to write for no change", () =>
  withFile(2, async (world) => {
    const { text, edits, changed } = await editFile(world, "/file.json", setting("a", 2));
    assert.deepEqual([text, applyEdits(text, edits), changed], ['{"a":1}', '{"a":2}', true]);
    const lock = await world.files.tryLock("/file.json");
    assert.equal((await editFile(world, "/file.json", setting("a", 2))).changed, false);
    await lock!.release();
  }));

Deno.test("editFile() waits for whoever changes the file, and not for ever; an interrupt ends the wait", () =>
  withFile(3, async (world) => {
    const lock = await world.files.tryLock("/file.json");
    const startMs = world.clock.monotonicMs();
    await assert.rejects(editFile(world, "/file.json", setting("a", 2)), (error) => {
      assert(error instanceof FileBusyError);
      assert.match(error.message, /somebody else has been changing it for 10 s/);
      assert.match(error.hint!, /try again/);
      return true;
    });
    assert.equal(Math.round((world.clock.monotonicMs() - startMs) / 1_000), 10);
    const ending = new AbortController();
    const reason = new DOMException("Interrupted", "AbortError");
    world.clock.timer(1_000, () => ending.abort(reason));
    await assert.rejects(editFile(world, "/file.json", setting("a", 2), { signal: ending.signal }), reason);
    assert.equal(await textOf(world), '{"a":1}');
    world.clock.timer(1_000, () => void lock!.release());
    assert.equal((await editFile(world, "/file.json", setting("a", 2))).changed, true);
  }));

Deno.test("whileLocked() gives the lock back when the work fails", () =>
  withFile(4, async (world) => {
    const failure = new Error("no");
    await assert.rejects(whileLocked(world, "/file.json", () => Promise.reject(failure)), failure);
    assert.equal(await whileLocked(world, "/file.json", () => Promise.resolve(7)), 7);
  }));
