/** The script as a process: what it does with a bad peer and with Ctrl-C. The matrix itself is not part of the tests. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { Lab, poll } from "./lab.ts";

const script = fileURLToPath(new URL("../../scripts/interop.ts", import.meta.url));
const command = [Deno.execPath(), ["run", "-A", "--no-check", script]] as const;

Deno.test("a peer that is not there, or is no such program, is exit code 2 and said", async () => {
  await using lab = await Lab.open();
  for (
    const [path, why] of [["/no/such/program", /No such file/i], [
      Deno.execPath(),
      /it says "deno \d/,
    ]] as const
  ) {
    const { code, stderr } = await lab.run("interop", command[0], [...command[1], "--peer", path]);
    assert.equal(code, 2);
    assert.match(stderr, new RegExp(`^Error: Cannot ask ${path} for its version: `));
    assert.match(stderr, why);
  }
});

Deno.test({
  name: "Ctrl-C ends the programs of the matrix and removes its folder (asked of /proc: only on Linux)",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await using lab = await Lab.open();
    const folder = lab.path("tmp");
    await Deno.mkdir(folder);
    const program = lab.start("interop", ...command, { env: { TMPDIR: folder, SKYCTL_INTEROP_PEER: "" } });
    await program.said(/pass {2}registration/);
    await poll(async () => (await running(folder)).length > 0 || undefined, {
      withinMs: 20_000,
      what: () => "no program of the matrix runs",
    });
    assert.equal(await program.end("SIGINT"), 130);
    assert.equal(program.stdout, "");
    assert.deepEqual(await running(folder), []);
    assert.deepEqual(await Array.fromAsync(Deno.readDir(folder)), []);
  },
});

/** The command lines of processes that name a folder. */
async function running(folder: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const line = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => ""); // it has just ended
    if (line.includes(folder)) lines.push(line.replaceAll("\0", " "));
  }
  return lines;
}
