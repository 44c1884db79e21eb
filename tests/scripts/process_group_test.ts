/** Whatever way a program of a task ends, nothing that it started stays. */
import assert from "node:assert/strict";
import { outputOfGroup } from "../../scripts/_process_group.ts";

const ROLE = new URL("./_group_role.ts", import.meta.url).pathname;
/** For four processes to start and to end on a busy machine. */
const PATIENCE_MS = 30_000;

/** Ways to end, what is done to the processes then, and what the task says of the program. */
const WAYS: Record<string, { act?: (pids: Map<string, number>) => void; output?: object }> = {
  success: { output: { success: true, stdout: "done\n" } },
  failure: { output: { success: false, stdout: "" } },
  abort: { output: { success: false, stdout: "" } },
  "Ctrl-C": { act: (pids) => Deno.kill(pids.get("task")!, "SIGINT"), output: { success: false, stdout: "" } },
  "kill": { act: (pids) => Deno.kill(pids.get("task")!, "SIGTERM"), output: { success: false, stdout: "" } },
  "the terminal's end": {
    act: (pids) => Deno.kill(pids.get("task")!, "SIGHUP"),
    output: { success: false, stdout: "" },
  },
  "kill -9 of the task": { act: (pids) => Deno.kill(pids.get("task")!, "SIGKILL") },
  "kill -9 of the program": {
    act: (pids) => Deno.kill(pids.get("program")!, "SIGKILL"),
    output: { success: false, stdout: "" },
  },
};

for (const [how, { act, output }] of Object.entries(WAYS)) {
  Deno.test({
    name: `nothing that a program started stays: ${how}`,
    ignore: Deno.build.os === "windows",
    async fn() {
      const task = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", ROLE, "task", how],
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      const [stdin, stdout] = [task.stdin.getWriter(), new Response(task.stdout).text()];
      const pids = new Map<string, number>();
      const isLate = AbortSignal.timeout(PATIENCE_MS);
      isLate.addEventListener("abort", () => {
        for (const pid of pids.values()) kill(pid); // or the test would wait for them
      });
      let said = "";
      for await (const text of task.stderr.pipeThrough(new TextDecoderStream())) { // it ends with the last of them
        said += text;
        for (const [, role, pid] of said.matchAll(/^(task|program|leaf) (\d+)$/gm)) {
          if (pids.has(role!)) continue;
          pids.set(role!, Number(pid));
          if (role !== "leaf") continue;
          act?.(pids);
          if (how === "abort") await stdin.write(new Uint8Array(1));
        }
      }
      await task.status;
      await stdin.close().catch(() => {}); // nobody reads it any more
      assert.ok(!isLate.aborted, `something stayed of ${JSON.stringify([...pids])}`);
      assert.deepEqual([...pids.keys()], ["task", "program", "leaf"], said);
      if (output === undefined) assert.equal(await stdout, "");
      else assert.deepEqual(JSON.parse(await stdout), output);
    },
  });
}

Deno.test("what was interrupted before it began is not begun", async () => {
  const output = await outputOfGroup("no such program", { args: [], signal: AbortSignal.abort() });
  assert.deepEqual(output, { success: false, stdout: "" });
});

function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // it has ended
  }
}
