/** How processes end, and what they say of a world that does not play along. */
import assert from "node:assert/strict";
import { SAME_INTERRUPT_MS } from "../../lib/cli/mod.ts";
import { skyctl } from "../cli/_run.ts";
import { freePort, Process, withFolder } from "./_process.ts";

const KEY = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

/** A deployment whose servers and discovery are at ports where nobody is. */
async function deadDeployment(folder: string): Promise<string> {
  const file = `${folder}/dead.json`;
  const { stdout } = await skyctl(["keys", "gen", "--json"], folder);
  const server = { static: JSON.parse(stdout).publicKey, server: { address: `127.0.0.1:${freePort()}` } };
  const dmsg_discovery = `http://127.0.0.1:${freePort()}`;
  await Deno.writeTextFile(file, JSON.stringify({ dead: { dmsg_discovery, dmsg_servers: [server] } }));
  return file;
}

Deno.test("Ctrl-C while a visor cannot connect ends it at once, with exit code 0", () =>
  withFolder(async (folder) => {
    await using visor = new Process(
      ["visor", "run", "--deployment", await deadDeployment(folder), "--home", `${folder}/home`],
    );
    await visor.line(/^visor 0/);
    await visor.talk(/WARN .*Cannot reach server/);
    const { code, stdout } = await skyctl(["visor", "status", "--home", `${folder}/home`], folder);
    assert.equal(code, 0);
    assert.match(stdout, /ready: +no\n[^]*no dmsg session: .*127\.0\.0\.1/);
    visor.interrupt();
    const { code: ended, tookMs } = await visor.ended();
    assert.equal(ended, 0);
    assert(tookMs < 2_000, `${tookMs} ms`);
  }));

Deno.test("a Ctrl-C that comes twice, from the terminal and from what started the process, is one", () =>
  withFolder(async (folder) => {
    const home = `${folder}/home`;
    await using visor = new Process(["visor", "run", "--local", "--home", home]);
    await visor.line(/^ready: /);
    visor.interrupt();
    await visor.talk(/^stopping/);
    visor.interrupt();
    const { code, stdout } = await visor.ended();
    assert.equal(code, 0);
    assert.match(stdout, /\nstopped\n$/);
    await assert.rejects(Deno.stat(`${home}/control.json`), Deno.errors.NotFound);
  }));

Deno.test("a second Ctrl-C ends a process now, with exit code 130", () =>
  withFrozenNetwork(async (visor) => {
    visor.interrupt();
    await visor.talk(/^stopping/);
    visor.freeze(); // its end, which takes less than a second, is not over when it is asked again
    await new Promise((resolve) => setTimeout(resolve, SAME_INTERRUPT_MS));
    visor.interrupt();
    visor.goOn();
    const { code, tookMs } = await visor.ended();
    assert.equal(code, 130);
    assert(tookMs < 1_000, `${tookMs} ms`);
  }));

Deno.test({
  name: "a terminal that is closed ends a visor in order",
  ignore: Deno.build.os !== "linux", // elsewhere a process without a terminal is left alone
  fn: () =>
    withFolder(async (folder) => {
      const home = `${folder}/home`;
      await using visor = new Process(["visor", "run", "--local", "--home", home]);
      await visor.line(/^ready: /);
      visor.hangUp();
      visor.hangUp(); // the shell's, besides the system's
      const { code, stdout } = await visor.ended();
      assert.equal(code, 0);
      assert.match(stdout, /\nstopped\n$/);
      await assert.rejects(Deno.stat(`${home}/control.json`), Deno.errors.NotFound);
    }),
});

Deno.test({
  name: "under nohup a visor outlives its terminal",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    withFolder(async (folder) => {
      const home = `${folder}/home`;
      await using visor = new Process(["visor", "run", "--local", "--home", home], {}, { before: ["nohup"] });
      await visor.line(/^ready: /);
      visor.hangUp();
      await new Promise((resolve) => setTimeout(resolve, 1_000)); // an orderly end would be over
      const { code } = await skyctl(["visor", "status", "--home", home], folder);
      assert.equal(code, 0);
      visor.interrupt();
      assert.equal((await visor.ended()).code, 0);
    }),
});

Deno.test("Ctrl-C ends a visor within 2 s also when its network answers no more", () =>
  withFrozenNetwork(async (visor) => {
    visor.interrupt();
    const { code, tookMs } = await visor.ended();
    assert.equal(code, 0);
    assert(tookMs < 2_000, `${tookMs} ms`);
  }));

/** A visor that was ready when its network's process froze: its orderly end has something to wait for. */
async function withFrozenNetwork(test: (visor: Process) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    await using host = new Process(["visor", "run", "--local", "--home", `${folder}/host`, "--json"]);
    const { deploymentFile } = await host.event("started");
    const args = ["visor", "run", "--deployment", deploymentFile!, "--home", `${folder}/home`];
    await using visor = new Process(args);
    await visor.line(/^ready: /);
    host.freeze();
    await test(visor);
  });
}

Deno.test("a reader of visor run --json that leaves ends it in order", () =>
  withFolder(async (folder) => {
    const home = `${folder}/home`;
    await using visor = new Process(["visor", "run", "--local", "--home", home, "--json"]);
    await visor.event("started");
    await visor.closeStdout(); // the next event finds nobody
    const { code } = await visor.ended();
    assert.equal(code, 0);
    await assert.rejects(Deno.stat(`${home}/control.json`), Deno.errors.NotFound);
  }));

Deno.test("no server reachable: exit code 3 within the time-out, and each server is named", () =>
  withFolder(async (folder) => {
    const file = await deadDeployment(folder);
    for (
      const args of [
        ["dmsg", "curl", `dmsg://${KEY}/`, "-t", "5"],
        ["dmsg", "ping", KEY, "-t", "5"],
        ["dmsg", "serve", "."],
      ]
    ) {
      const { code, stderr } = await skyctl([...args, "--deployment", file, "--home", folder], folder);
      assert.equal(code, 3, `${args.join(" ")}: ${stderr}`);
      assert.match(
        stderr,
        /Error: Cannot reach any of the 1 dmsg servers of the network\n +because: 127\.0\.0\.1:/,
      );
      assert.match(stderr, /Hint: .*--deployment FILE/);
    }
    for (const args of [["dmsg", "entry", KEY], ["dmsg", "servers"]]) {
      const { code, stderr } = await skyctl([...args, "--deployment", file, "--home", folder], folder);
      assert.equal(code, 3, stderr);
      assert.match(stderr, /Error: Cannot reach the dmsg discovery\n/);
    }
  }));

Deno.test("a port that is taken is named, exit code 3, and nothing is left", () =>
  withFolder(async (folder) => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const address = `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
    const commands = [
      ["visor", "run", "--local", "--control", address],
      ["dmsg", "server", "run", `${folder}/1.json`, "--listen", address, "--health", "none"],
      ["dmsg", "server", "run", `${folder}/2.json`, "--listen", "127.0.0.1:0", "--health", address],
      ["svc", "run", "dmsg-discovery", "--addr", address, "--store", `${folder}/disc.db`],
    ];
    for (const args of commands) {
      await using process = new Process(args, { SKYCTL_HOME: `${folder}/home` });
      const { code, stderr } = await process.ended();
      assert.equal(code, 3, `${args.join(" ")}: ${stderr}`);
      assert.match(stderr, new RegExp(`Error: .*${address.replaceAll(".", "\\.")}`));
    }
    for (const left of ["home/control.json", "home/visor.json", "disc.db"]) {
      await assert.rejects(Deno.stat(`${folder}/${left}`), Deno.errors.NotFound, left);
    }
  }));

const isRoot = Deno.uid() === 0;

Deno.test({
  name: `a port below 1024 and an unreadable file are not permitted${isRoot ? " (skipped: root may)" : ""}`,
  ignore: isRoot,
  fn: () =>
    withFolder(async (folder) => {
      const low = await skyctl(["svc", "run", "dmsg-discovery", "--addr", "127.0.0.1:81"], folder);
      assert.equal(low.code, 3);
      assert.match(low.stderr, /Error: .*127\.0\.0\.1:81/);
      await Deno.mkdir(`${folder}/home`);
      await Deno.writeTextFile(`${folder}/home/visor.json`, "{}", { mode: 0o000 });
      const unreadable = await skyctl(["visor", "run", "--home", `${folder}/home`], folder);
      assert.equal(unreadable.code, 3);
      assert.match(unreadable.stderr, /visor\.json/);
    }),
});
