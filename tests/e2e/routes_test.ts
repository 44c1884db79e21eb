/** Transports, routes and the proxy with a real process: bytes over two hops, and a middle that goes away. */
import assert from "node:assert/strict";
import type { AppSummary, RuleSummary } from "../../lib/control/mod.ts";
import { skyctl } from "../cli/_run.ts";
import { freePort, hashOf, Process, withFolder } from "./_process.ts";

const FILE_BYTES = 8 * 1024 * 1024;
/** Of a transport that was closed in order: the ends of its routes know at once. */
const ERROR_MAX_MS = 2_000;
/** For a new route over other transports, with the pause before it. */
const HEALED_MAX_MS = 15_000;

/** A web server of the test: `/file` is the file, everything else begins and does not end. */
function serveOrigin(file: Uint8Array<ArrayBuffer>) {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    if (new URL(request.url).pathname === "/file") return new Response(file);
    return new Response(new ReadableStream({ start: (stream) => stream.enqueue(new Uint8Array(1_024)) }));
  });
  return { port: server.addr.port, [Symbol.asyncDispose]: () => server.shutdown() };
}

/** A connection to `port` of this machine as the far visor sees it (RFC 1928, CONNECT, no authentication). */
async function throughSocks(proxyPort: number, port: number): Promise<Deno.TcpConn> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: proxyPort });
  await conn.write(Uint8Array.of(5, 1, 0));
  assert.deepEqual(await take(conn, 2), Uint8Array.of(5, 0));
  await conn.write(Uint8Array.of(5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 0xff));
  assert.equal((await take(conn, 10))[1], 0, "the SOCKS server connects");
  return conn;
}

async function take(conn: Deno.TcpConn, bytes: number): Promise<Uint8Array> {
  const taken = new Uint8Array(bytes);
  for (let at = 0; at < bytes;) {
    const count = await conn.read(taken.subarray(at));
    assert(count !== null, "the connection ends too early");
    at += count;
  }
  return taken;
}

const get = (path: string) =>
  new TextEncoder().encode(`GET ${path} HTTP/1.1\r\nHost: origin\r\nConnection: close\r\n\r\n`);

/** The SHA-256 of what a GET brings. */
async function fetchedHash(proxyPort: number, port: number): Promise<string> {
  using conn = await throughSocks(proxyPort, port);
  await conn.write(get("/file"));
  const answer = new Uint8Array(await new Response(conn.readable).arrayBuffer());
  const body = new TextDecoder("latin1").decode(answer.subarray(0, 4_096)).indexOf("\r\n\r\n") + 4;
  return await hashOf(answer.slice(body));
}

Deno.test("SOCKS over two hops; the middle goes away: an error in time, and another way by itself; Ctrl-C", () =>
  withFolder(async (folder) => {
    const file = new Uint8Array(FILE_BYTES);
    for (let at = 0; at < FILE_BYTES; at += 65_536) crypto.getRandomValues(file.subarray(at, at + 65_536));
    await using origin = serveOrigin(file);
    const json = async (home: string, ...args: string[]) => {
      const { code, stdout, stderr } = await skyctl([...args, "--home", home, "--json"], folder);
      assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
      return JSON.parse(stdout);
    };

    const home = `${folder}/a`;
    await using network = new Process(["visor", "run", "--local", "--visors", "4", "--home", home, "--json"]);
    await network.event("started");
    const [b, c, d] = [
      await network.event("visor"),
      await network.event("visor"),
      await network.event("visor"),
    ];
    await network.event("ready");
    const far = c.publicKey!;
    // Two ways to the far visor: over b, and over d.
    for (const middle of [b, d]) {
      assert.equal(
        (await json(home, "tp", "add", middle.publicKey!, "-t", "stcpr")).remote,
        middle.publicKey,
      );
      await json(middle.home!, "tp", "add", far, "-t", "stcpr");
    }

    const proxyPort = freePort();
    const address = `127.0.0.1:${proxyPort}`;
    const started: AppSummary = await json(
      home,
      "proxy",
      "start",
      "-k",
      far,
      "--min-hops",
      "2",
      "-a",
      address,
    );
    assert.deepEqual([started.proxy?.connected, started.proxy?.address], [true, address]);
    assert.equal(await fetchedHash(proxyPort, origin.port), await hashOf(file));

    const forwarding: string[] = [];
    for (const middle of [b, d]) {
      const rules: RuleSummary[] = await json(middle.home!, "route", "ls");
      if (rules.length === 0) continue;
      assert.deepEqual(rules.map(({ type }) => type), ["intermediary", "intermediary"]);
      forwarding.push(middle.home!);
    }
    assert.equal(forwarding.length, 1, "one of the two is in the middle");

    using conn = await throughSocks(proxyPort, origin.port);
    await conn.write(get("/endless"));
    await take(conn, 1_024);
    const goneMs = performance.now();
    // A reset: an end would tell a program that it has all.
    const ended = assert.rejects(new Response(conn.readable).arrayBuffer(), Deno.errors.ConnectionReset);
    const ofEnd = ended.then(() => performance.now());
    await json(forwarding[0]!, "tp", "rm", "--all");
    const tookMs = await ofEnd - goneMs;
    assert(tookMs < ERROR_MAX_MS, `${tookMs} ms until the client knew`);

    const untilMs = performance.now() + HEALED_MAX_MS;
    let proxy: AppSummary["proxy"];
    do [{ proxy }] = await json(home, "proxy", "status"); while (
      !(proxy?.connected && proxy.sessions === 2) && performance.now() < untilMs
    );
    assert.equal(proxy?.sessions, 2, JSON.stringify(proxy));
    assert.equal(await fetchedHash(proxyPort, origin.port), await hashOf(file));
    const key = JSON.parse(await Deno.readTextFile(`${home}/control.json`)).publicKey;
    const itself = await skyctl(["visor", "ping", key, "--home", home], folder);
    assert.deepEqual([itself.code, itself.stderr], [
      2,
      "Error: Cannot ping this visor itself: the key is its own\nHint: give another visor's key; skyctl visor status shows this one's, --home asks another visor\n",
    ]);
    const pinged = await json(home, "visor", "ping", far, "-n", "2", "--min-hops", "2");
    assert.deepEqual([pinged.roundTripsMs.length, pinged.forward.length, pinged.reverse.length], [2, 2, 2]);

    network.interrupt();
    const { code, tookMs: endMs } = await network.ended();
    assert.equal(code, 0);
    assert(endMs < 2_000, `${endMs} ms`);
    for (const each of [home, b.home, c.home, d.home]) {
      await assert.rejects(Deno.stat(`${each}/control.json`), Deno.errors.NotFound);
    }
    await assert.rejects(
      Deno.connect({ hostname: "127.0.0.1", port: proxyPort }),
      Deno.errors.ConnectionRefused,
    );
  }));
