/** The release's one file as real processes, more of them at once than a machine has room for. */
import assert from "node:assert/strict";
import { bundle, PERMISSIONS } from "../../scripts/compile.ts";
import config from "../../deno.json" with { type: "json" };
import { Process, withFolder } from "./_process.ts";

const STARTS = 20;
const AT_ONCE = 8;

/** Calls `start` for 0 to `count - 1`, {@link AT_ONCE} at a time. */
async function manyAtOnce(count: number, start: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (next < count) await start(next++);
  }));
}

Deno.test(`the bundle: ${STARTS} starts, ${AT_ONCE} at once, of each kind`, (t) =>
  withFolder(async (folder) => {
    await bundle(folder);
    const flags = [...PERMISSIONS, "--no-prompt", "--no-config", "--unstable-net"]; // as a binary would run it
    const program = ["run", ...flags, `${folder}/skyctl.js`];
    const start = (...args: string[]) => new Process(args, { SKYCTL_HOME: `${folder}/home` }, { program });

    await t.step("--version", () =>
      manyAtOnce(STARTS, async () => {
        await using process = start("--version");
        const { code, stdout, stderr } = await process.ended();
        assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: `${config.version}\n`, stderr: "" });
      }));

    await t.step(
      "visor run, with a network of its own and on another's, up to ready and an end in order",
      async () => {
        const run = (name: string, ...args: string[]) =>
          start("visor", "run", "--json", "--home", `${folder}/${name}`, "--control", "127.0.0.1:0", ...args);
        await using network = run("network", "--local");
        const { deploymentFile } = await network.event("started");
        await network.event("ready");
        await manyAtOnce(STARTS, async (index) => {
          const where = index % 2 === 0 ? ["--local"] : ["--deployment", deploymentFile!];
          await using visor = run(`visor-${index}`, ...where);
          await visor.event("ready");
          visor.interrupt();
          const { code, stderr } = await visor.ended();
          assert.equal(code, 0, stderr);
        });
      },
    );

    await t.step("the help of every noun", async () => {
      const help = async (...args: string[]) => {
        await using process = start(...args, "--help");
        const { code, stdout, stderr } = await process.ended();
        assert.equal(code, 0, stderr);
        return stdout;
      };
      const [commands] = (await help()).split("\nCommands:\n")[1]!.split("\n\n");
      const nouns = [...commands!.matchAll(/^ {2}(\w+) /gm)].map(([, noun]) => noun!);
      assert(nouns.length > 8, nouns.join(" "));
      await manyAtOnce(nouns.length, async (index) => {
        assert.match(await help(nouns[index]!), new RegExp(`^Usage: skyctl ${nouns[index]!} `));
      });
    });
  }));
