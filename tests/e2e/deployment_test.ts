/** A whole deployment in one process, as an operator runs it: visors join, make a transport, and are found. */
import assert from "node:assert/strict";
import { skyctl } from "../cli/_run.ts";
import { freePort, Process, withFolder } from "./_process.ts";

Deno.test("svc run --all: two visors join, make a transport, are found by HTTP and by dmsg; svc health; Ctrl-C in 2 s", () =>
  withFolder(async (folder) => {
    const metrics = `127.0.0.1:${freePort()}`;
    await using network = new Process([
      ...["svc", "run", "--all", "--free-ports", "--folder", `${folder}/net`, "--entry-timeout", "0"],
      ...["--metrics", metrics, "--log-level", "warn", "--json"],
    ]);
    const { deploymentFile: deployment } = await network.event("ready");
    assert.equal(deployment, `${folder}/net/deployment.json`);
    for await (const { name } of Deno.readDir(`${folder}/net`)) {
      if (!name.endsWith(".key")) continue;
      assert.equal((await Deno.stat(`${folder}/net/${name}`)).mode! & 0o777, 0o600, name);
    }
    const homes = [`${folder}/one`, `${folder}/two`];
    const start = (home: string) =>
      new Process([
        "visor",
        "run",
        "--deployment",
        deployment!,
        "--home",
        home,
        "--control",
        "127.0.0.1:0",
        "--json",
      ]);
    await using one = start(homes[0]!);
    await using two = start(homes[1]!);
    await one.event("ready");
    const { publicKey } = await two.event("ready");
    const json = async (...args: string[]) => {
      const { code, stdout, stderr } = await skyctl([...args, "--json"], folder);
      assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
      return JSON.parse(stdout);
    };
    await json("tp", "add", publicKey!, "--type", "stcpr", "--home", homes[0]!);
    const { local } = JSON.parse(await Deno.readTextFile(deployment!));
    for (const url of [local.transport_discovery, local.transport_discovery_dmsg]) {
      const found = await json("tp", "disc", "--pk", publicKey!, "--addr", url, "--deployment", deployment!);
      assert.equal(found.length, 1, url);
    }
    const entry = await (await fetch(`${local.dmsg_discovery}/dmsg-discovery/entry/${publicKey}`)).json();
    assert.equal(entry.static, publicKey);
    const rows = await json("svc", "health", "--deployment", deployment!);
    assert.equal(rows.length, 18);
    assert(rows.every((row: { isUp: boolean }) => row.isUp));
    const text = await (await fetch(`http://${metrics}/metrics`)).text();
    assert.match(text, /^skyctl_entries\{service="transport-discovery",kind="transports"\} 1$/m);
    assert.match(text, /^skyctl_entries\{service="route-finder",kind="transports"\} 1$/m);
    // How often depends on how slow this machine is: each visor also registers 5 s after its start, and 5 s after a
    // first transport. None was refused.
    const registered = [...text.matchAll(
      /^skyctl_requests_total\{service="transport-discovery",method="POST",route="([^"]*)",status="(\d+)"\} (\d+)$/gm,
    )].map(([, route, status, count]) => ({ route, status, isOfEach: Number(count) >= 2 }));
    assert.deepEqual(registered, [{ route: "/v3/transports/", status: "201", isOfEach: true }]);
    assert.match(text, /^process_resident_memory_bytes \d+$/m);
    for (const process of [one, two, network]) {
      process.interrupt();
      const { code, tookMs, stdout, stderr } = await process.ended();
      assert.equal(code, 0, stderr);
      assert(tookMs < 2_000, `${tookMs} ms`);
      assert.match(stdout, /"event":"stopped"/);
    }
    const down = await skyctl(["svc", "health", "--deployment", deployment!, "-t", "2s", "--json"], folder);
    assert.equal(down.code, 3);
    assert(JSON.parse(down.stdout).every((row: { isUp: boolean }) => !row.isUp));
  }));

Deno.test("services of a file: the environment's mode beats it, and what is not ours is told of", () =>
  withFolder(async (folder) => {
    await Deno.writeTextFile(
      `${folder}/services.json`,
      JSON.stringify({
        services: [
          {
            type: "dmsg-discovery",
            addr: "127.0.0.1:0",
            testing: true,
            mode: "dual",
            metrics_addr: "127.0.0.1:0",
          },
          { type: "tpd", addr: "127.0.0.1:0", testing: true, entry_timeout: "2m", pprof_addr: ":6060" },
          { type: "rf", addr: "127.0.0.1:0", metrics_addr: "127.0.0.1:2122" },
        ],
      }),
    );
    await using running = new Process(
      ["svc", "run", "--config", `${folder}/services.json`, "--folder", `${folder}/net`, "--json"],
      { SKYWIRE_SVC_MODE: " HTTP " },
    );
    await running.talk(/services\[1\]\.pprof_addr is passed over/);
    await running.talk(/services\[2\]\.metrics_addr is passed over: .* one listener/);
    for (const name of ["dmsg-discovery", "transport-discovery", "route-finder"]) {
      const event = await running.event("listening");
      assert.deepEqual([event.service, event.mode, event.dmsg], [name, "http", undefined]);
      assert.equal((await (await fetch(`${event.address}/health`)).json()).service_name, name);
    }
    await running.event("ready");
    running.interrupt();
    assert.equal((await running.ended()).code, 0);
  }));
