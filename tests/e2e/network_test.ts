/** The main job with real processes: a network, a second visor on it, a file from one to the other. */
import assert from "node:assert/strict";
import { skyctl } from "../cli/_run.ts";
import { freePort, hashOf, Process, withFolder } from "./_process.ts";

const FILE_BYTES = 4 * 1024 * 1024;

Deno.test("visor run --local, a second visor by --deployment, dmsg serve, dmsg curl, ping, entry, stop", () =>
  withFolder(async (folder) => {
    const [host, guest] = [`${folder}/host`, `${folder}/guest`];
    await Deno.mkdir(`${folder}/site`);
    const big = new Uint8Array(FILE_BYTES);
    for (let offset = 0; offset < FILE_BYTES; offset += 65_536) {
      crypto.getRandomValues(big.subarray(offset, offset + 65_536));
    }
    await Deno.writeFile(`${folder}/site/big.bin`, big);
    const run = (...args: string[]) => skyctl(args, folder);
    const json = async (...args: string[]) => {
      const { code, stdout, stderr } = await run(...args, "--json");
      assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
      return JSON.parse(stdout);
    };

    await using first = new Process(["visor", "run", "--local", "--home", host, "--json"]);
    const started = await first.event("started");
    for (const step of ["session", "published", "ready"]) await first.event(step);
    const deployment = started.deploymentFile!;
    await using second = new Process(["visor", "run", "--deployment", deployment, "--home", guest]);
    const guestKey = /[0-9a-f]{66}/.exec(await second.line(/^visor 0/))![0];
    await second.line(new RegExp(`^ready: dmsg://${guestKey}:80`));

    await using serving = new Process(["dmsg", "serve", `${folder}/site`, "--home", host]);
    const url = /dmsg:\/\/\S+/.exec(await serving.line(/^serving /))![0];
    assert.equal(url, `dmsg://${started.publicKey}:80/`);
    const got = await run("dmsg", "curl", "-o", "got.bin", `${url}big.bin`, "--home", guest);
    assert.deepEqual([got.code, got.stdout], [0, ""], got.stderr);
    assert.equal(await hashOf(await Deno.readFile(`${folder}/got.bin`)), await hashOf(big));
    const head = await run("dmsg", "curl", "-X", "HEAD", "-o", "head", `${url}big.bin`, "--home", guest);
    assert.deepEqual([head.code, (await Deno.stat(`${folder}/head`)).size], [0, 0], head.stderr);
    const listing = await run("dmsg", "curl", url.slice(0, -1), "--deployment", deployment); // no path: /
    assert.match(listing.stdout, /big\.bin/);
    const missing = await run("dmsg", "curl", `${url}none`, "--home", guest, "--json");
    assert.equal(missing.code, 4);
    assert.equal(JSON.parse(missing.stdout).status, 404); // one document
    assert.match(missing.stderr, /answered with status 404 Not Found/);
    const toFile = await run("dmsg", "curl", `${url}none`, "-o", "none", "--home", guest);
    assert.equal(toFile.code, 4);
    await assert.rejects(Deno.stat(`${folder}/none`), Deno.errors.NotFound);
    assert.deepEqual((await json("visor", "status", "--home", host)).serving, [{
      folder: `${folder}/site`,
      port: 80,
    }]);

    const pinged = await json("dmsg", "ping", guestKey, "-n", "2", "--home", host);
    assert.equal(pinged.roundTripsMs.length, 2);
    assert.equal((await json("dmsg", "ping", guestKey, "-n", "1", "--deployment", deployment)).key, guestKey);
    for (const way of [["--home", host], ["--deployment", deployment]]) {
      const entry = await json("dmsg", "entry", guestKey, ...way);
      assert.equal(entry.client.delegatedServers.length, 2);
      const servers = await json("dmsg", "servers", ...way);
      assert.equal(servers.length, 2);
    }
    assert.equal((await json("dmsg", "connect-all", "--home", host)).length, 2);
    const sessions = await json("dmsg", "sessions", "--home", host);
    assert.equal(sessions.length, 2);
    const table = await run("dmsg", "sessions", "--home", host);
    assert.match(table.stdout, /^server +remote key +address .*streams +uptime +in +out\n/);
    assert.match(table.stdout, new RegExp(`${sessions[0].server}  ${started.publicKey}  127\\.0\\.0\\.1:`));

    const nobody = await run("dmsg", "curl", `dmsg://${guestKey}:9999/`, "--home", host);
    assert.equal(nobody.code, 4);
    assert.match(
      nobody.stderr,
      /^Error: dmsg error 202 .*\n +because: server 0\w{65}: it does not know the key, or nobody listens on port 9999; server 0/,
    );
    assert.match(nobody.stderr, new RegExp(`Hint: skyctl dmsg entry ${guestKey}`));

    assert.equal((await run("visor", "stop", "--home", guest)).code, 0);
    const end = await second.ended();
    assert.equal(end.code, 0);
    assert.match(end.stdout, /stopped\n$/);
    assert.equal((await run("dmsg", "entry", guestKey, "--home", host)).code, 4); // gone from the discovery
    assert.equal((await run("visor", "status", "--home", guest)).code, 3);

    serving.interrupt();
    const served = await serving.ended();
    assert.deepEqual([served.code, served.stdout.endsWith("stopped\n")], [0, true]);
    first.interrupt();
    const { code, tookMs, stderr } = await first.ended();
    assert.equal(code, 0);
    assert(tookMs < 2_000, `${tookMs} ms`);
    assert.doesNotMatch(stderr, /ERROR/);
    await assert.rejects(Deno.stat(`${host}/control.json`), Deno.errors.NotFound);
  }));

Deno.test("a dmsg discovery and a dmsg server of one's own, as processes, carry a folder served by a key of its own", () =>
  withFolder(async (folder) => {
    const [discoveryPort, serverPort] = [freePort(), freePort()];
    const discovery = `http://127.0.0.1:${discoveryPort}`;
    await using disc = new Process([
      ...["svc", "run", "dmsg-discovery", "--test-mode", "--addr", `127.0.0.1:${discoveryPort}`],
      ...["--store", `${folder}/disc.db`, "--json"],
    ]);
    await disc.event("listening");
    const listen = `127.0.0.1:${serverPort}`;
    await using server = new Process([
      ...["dmsg", "server", "run", `${folder}/server.json`, "--discovery", discovery],
      ...["--http-registration", "--listen", listen, "--health", "127.0.0.1:0", "--json"],
    ]);
    const { publicKey, health } = await server.event("listening");
    assert.equal((await Deno.stat(`${folder}/server.json`)).mode! & 0o777, 0o600);
    const deployment = `${folder}/deployment.json`;
    await Deno.writeTextFile(
      deployment,
      JSON.stringify({
        own: {
          dmsg_discovery: discovery,
          dmsg_servers: [{ static: publicKey, server: { address: listen } }],
        },
      }),
    );
    await Deno.mkdir(`${folder}/site`);
    await Deno.writeTextFile(`${folder}/site/index.html`, "hello over dmsg\n");
    await using serving = new Process([
      ...["dmsg", "serve", `${folder}/site`, "-p", "8080", "--key", `${folder}/site.key`],
      ...["--deployment", deployment, "--home", folder, "--json"],
    ]);
    const { url } = await serving.event("serving");
    const got = await skyctl(["dmsg", "curl", url!, "-o", "-", "--deployment", deployment], folder);
    assert.deepEqual([got.code, got.stdout], [0, "hello over dmsg\n"], got.stderr);
    const status = await (await fetch(health!)).json();
    assert.deepEqual([status.public_key, status.service_name], [publicKey, "dmsg-server"]);
    await using setup = new Process([
      ...["svc", "run", "setup-node", "--keyfile", `${folder}/sn.key`, "--deployment", deployment],
      ...["--addr", "127.0.0.1:0", "--json"],
    ]);
    const node = await setup.event("listening");
    assert.equal(node.dmsg, `dmsg://${node.publicKey}:36`);
    await setup.talk(/Session established/);
    assert.equal((await (await fetch(node.stats!)).json()).total_requests, 0);
    assert.equal((await Deno.stat(`${folder}/sn.key`)).mode! & 0o777, 0o600);
    for (const process of [setup, serving, server, disc]) {
      process.interrupt();
      const { code, tookMs, stdout } = await process.ended();
      assert.equal(code, 0);
      assert(tookMs < 2_000, `${tookMs} ms`);
      assert.match(stdout, /"event":"stopped"/);
    }
  }));
