import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { Lab } from "./lab.ts";
import { canMakeNamespace } from "./namespace.ts";

const module = fileURLToPath(new URL("./namespace.ts", import.meta.url));

/** What a process inside prints, and its exit code. */
async function inside(lab: Lab, code: string) {
  const outer = lab.path("outer.ts");
  await Deno.writeTextFile(
    outer,
    `import { inNamespace, PUBLIC_ADDRESS, runInNamespace } from ${JSON.stringify(`file://${module}`)};
if (inNamespace()) {
  ${code}
} else {
  Deno.exit(await runInNamespace(Deno.execPath(), ["run", "-A", "--no-check", import.meta.filename!], ["SIGINT"]));
}`,
  );
  return outer;
}

Deno.test({
  name:
    "runInNamespace(): a public address and loopback, no way out, the exit code, and signals passed on (root on Linux)",
  ignore: !(await canMakeNamespace()),
  fn: async () => {
    await using lab = await Lab.open();
    const first = await inside(
      lab,
      `for (const hostname of [PUBLIC_ADDRESS, "127.0.0.1"]) Deno.listen({ hostname, port: 0 }).close();
  const out = await Deno.connect({ hostname: "198.51.100.1", port: 80 }).then(() => "out", (error) => error.message);
  console.log(out);
  Deno.exit(7);`,
    );
    const { code, stdout, stderr } = await lab.run("deno", Deno.execPath(), [
      "run",
      "-A",
      "--no-check",
      first,
    ]);
    assert.equal(code, 7, stderr);
    assert.match(stdout, /unreachable|no route/i);
    const second = await inside(
      lab,
      `Deno.addSignalListener("SIGINT", () => Deno.exit(9));
  console.log("listening");
  setInterval(() => {}, 1_000);`,
    );
    const program = lab.start("deno", Deno.execPath(), ["run", "-A", "--no-check", second]);
    await program.said(/listening/);
    assert.equal(await program.end("SIGINT"), 9);
  },
});

Deno.test({
  name: "nameHosts(): names of loopback, inside alone (root on Linux)",
  ignore: !(await canMakeNamespace()),
  fn: async () => {
    await using lab = await Lab.open();
    const lookUp = `await import(${JSON.stringify(import.meta.resolve("./lab.ts"))}).then(async ({ Lab }) => {
    const { nameHosts } = await import(${JSON.stringify(`file://${module}`)});
    await using lab = await Lab.open();
    await nameHosts(lab, ["one.interop.test", "two.interop.test"]);
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    for (const hostname of ["one.interop.test", "two.interop.test"]) {
      (await Deno.connect({ hostname, port: listener.addr.port })).close();
    }
    console.log("connected");
  });`;
    const before = await Deno.readTextFile("/etc/hosts");
    const args = ["run", "-A", "--no-check", await inside(lab, lookUp)];
    const { stdout, stderr } = await lab.run("deno", Deno.execPath(), args);
    assert.equal(stdout, "connected\n", stderr);
    assert.equal(await Deno.readTextFile("/etc/hosts"), before);
  },
});
