/**
 * Processes for the tests of groups, each the parent of the next: `task`, which runs a program with its group;
 * `program`; `leaf`, which nobody ends. Each says `name pid` on stderr when it is there, which all of them share.
 */
import { endWithStdin, interruption, outputOfGroup } from "../../scripts/_process_group.ts";

const [role, how] = Deno.args;
const argsOf = (role: string) => ["run", "-A", "--no-check", import.meta.filename!, role, how!];
const forEver = () => new Promise(() => setInterval(() => {}, 1_000));

console.error(role, Deno.pid);
switch (role) {
  case "task": {
    const asked = new AbortController();
    if (how === "abort") {
      void Deno.stdin.read(new Uint8Array(1)).then(() => asked.abort());
    }
    const signal = AbortSignal.any([asked.signal, interruption()]);
    const output = await outputOfGroup(Deno.execPath(), { args: argsOf("program"), signal });
    console.log(JSON.stringify(output));
    Deno.exit();
    break;
  }
  case "program": {
    endWithStdin();
    const leaf = new Deno.Command(Deno.execPath(), {
      args: argsOf("leaf"),
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    await leaf.stdout.getReader().read(); // it is there
    if (how === "failure") throw new Error("as it is meant to");
    if (how === "success") {
      console.log("done");
      Deno.exit();
    }
    await forEver();
    break;
  }
  case "leaf":
    console.log("here");
    await forEver();
}
