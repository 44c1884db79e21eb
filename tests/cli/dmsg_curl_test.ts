/** `dmsg curl` in whose name: the running visor's through its control API, a key's of one's own, or nobody's. */
import assert from "node:assert/strict";
import { Scope, silentLog, WorldError } from "../../lib/base/mod.ts";
import { FETCH_BODY_BYTES_MAX, type FetchInput } from "../../lib/control/mod.ts";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import { joinNetwork, readNetworkFile } from "../../lib/directory/mod.ts";
import { serveDmsgHttp } from "../../lib/dmsg/mod.ts";
import { type BodyReader, HeaderFields, HttpResponse } from "../../lib/http/mod.ts";
import type { World } from "../../lib/runtime/mod.ts";
import type { FetchAction } from "../../lib/visor/control_server.ts";
import { HERE, withControlDouble } from "./_control_double.ts";
import { FILE, network, NOBODY } from "./_network_beside.ts";

const URL_OF = `dmsg://${NOBODY}/node-info`;
const utf8 = (text: string) => new TextEncoder().encode(text);

class Reset extends WorldError {
  readonly code = "CONN_RESET";
}

/** An answer; `parts` are what its body gives, an error in place of an end. */
function answer(
  status: number,
  parts: (Uint8Array | Error)[],
  fields: Record<string, string> = {},
): HttpResponse {
  const headers = new HeaderFields();
  for (const [name, value] of Object.entries(fields)) headers.append(name, value);
  const body: BodyReader & { discard(): void } = {
    read() {
      const part = parts.shift() ?? null;
      return part instanceof Error ? Promise.reject(part) : Promise.resolve(part);
    },
    discard() {},
  };
  return new HttpResponse({ url: URL_OF, status, reason: "Reason", headers, body });
}

/** Beside a visor that answers so; no network is there, so whoever made a client of its own would fail. */
function withVisor(
  fetch: FetchAction,
  test: Parameters<typeof withControlDouble>[1],
): Promise<void> {
  return withControlDouble({}, test, {
    fetch,
    setUp: () =>
      Promise.resolve({ deploymentFile: "/nowhere.json", [Symbol.asyncDispose]: () => Promise.resolve() }),
  });
}

Deno.test("dmsg curl --visor: the request is the visor's, the answer is printed as it is", () => {
  const asked: FetchInput[] = [];
  return withVisor((input) => {
    asked.push(input);
    return Promise.resolve(answer(200, [utf8("one "), utf8("two")], { "content-type": "text/plain" }));
  }, async ({ run }) => {
    const plain = await run("dmsg", "curl", "--visor", URL_OF);
    assert.deepEqual([plain.code, plain.stdout, plain.stderr], [0, "one two", ""]);
    const posted = await run("dmsg", "curl", "--visor", "-H", "X-Mine: 1", "-d", "häl", "-i", URL_OF);
    assert.equal(posted.stdout, "HTTP/1.1 200 Reason\ncontent-type: text/plain\n\none two");
    const told = JSON.parse((await run("dmsg", "curl", "--visor", "--json", URL_OF)).stdout);
    assert.deepEqual([told.status, told.body, told.headers], [200, "one two", [[
      "content-type",
      "text/plain",
    ]]]);
    const url = `dmsg://${NOBODY}:80/node-info`;
    assert.deepEqual(asked, [
      { url, method: "GET", headers: [] },
      { url, method: "POST", headers: [["X-Mine", "1"]], body: utf8("häl").toBase64() },
      { url, method: "GET", headers: [] },
    ]);
  });
});

Deno.test("dmsg curl --visor -o: a whole file of some MiB, and none of an answer that ends in the middle", () => {
  const part = new Uint8Array(1 << 16).map((_, index) => index);
  const parts = () => Array.from({ length: 48 }, () => part);
  const total = { "content-length": String(48 * part.length) };
  const answers = [
    answer(200, parts(), total),
    answer(200, [...parts().slice(1), new Reset("Stream 1 was reset by the peer")], total),
    answer(200, parts().slice(1), total),
  ];
  return withVisor(() => Promise.resolve(answers.shift()!), async ({ run, world: { files } }) => {
    const good = await run("dmsg", "curl", "--visor", "-o", "/big.bin", URL_OF);
    assert.equal(good.code, 0, good.stderr);
    const bytes = await files.read("/big.bin");
    assert(bytes.length === 48 * part.length && bytes.every((byte, index) => byte === (index & 0xff)));
    const reset = await run("dmsg", "curl", "--visor", "-o", "/cut.bin", URL_OF);
    assert.deepEqual([reset.code, reset.stdout], [3, ""]);
    assert.match(reset.stderr, /Stream 1 was reset by the peer/);
    const short = await run("dmsg", "curl", "--visor", "-o", "/cut.bin", URL_OF);
    assert.equal(short.code, 4);
    assert.match(short.stderr, /the body, 65536 bytes missing/);
    assert.deepEqual((await files.list("/")).filter((name) => name.includes("cut")), []);
  });
});

Deno.test("dmsg curl --visor: what the node refuses is exit code 4, and without the visor it is named as the way", () =>
  withVisor(() => Promise.resolve(answer(401, [utf8("401 Unauthorized")])), async ({ run }) => {
    const { code, stdout, stderr } = await run("dmsg", "curl", "--visor", URL_OF);
    assert.deepEqual([code, stdout], [4, "401 Unauthorized"]);
    assert.match(stderr, /answered with status 401/);
    assert.doesNotMatch(stderr, /--visor/);
  }));

Deno.test("dmsg curl --visor: Ctrl-C ends what hangs, before the head and behind it; --timeout ends with the head", () => {
  const ended: unknown[] = [];
  const untilLeft = (signal: AbortSignal) =>
    new Promise<never>((_, reject) =>
      signal.addEventListener("abort", () => {
        ended.push(signal.reason);
        reject(signal.reason);
      }, { once: true })
    );
  let isHead = false;
  return withVisor((_input, signal) => {
    if (!isHead) return untilLeft(signal);
    const hanging = answer(200, []);
    hanging.bodyReader.read = () => untilLeft(signal);
    return Promise.resolve(hanging);
  }, async ({ run, interrupted, nowMs }) => {
    const startedMs = nowMs();
    assert.equal((await interrupted(2_000, "dmsg", "curl", "--visor", URL_OF)).code, 130);
    assert(nowMs() - startedMs < 3_000, `${nowMs() - startedMs} ms`);
    const late = await run("dmsg", "curl", "--visor", "-t", "1s", URL_OF);
    assert.equal(late.code, 3);
    assert.match(late.stderr, /Request to .* did not finish within 1000 ms/);
    isHead = true;
    assert.equal((await interrupted(2_000, "dmsg", "curl", "--visor", "-t", "1s", URL_OF)).code, 130);
  });
});

Deno.test("dmsg curl --visor: what it cannot do is told before anything is asked", () =>
  withVisor(() => assert.fail("nothing is asked"), async ({ run, world: { files } }) => {
    await files.write("/body", new Uint8Array(FETCH_BODY_BYTES_MAX + 1));
    const large = await run("dmsg", "curl", "--visor", "-d", "@/body", URL_OF);
    assert.equal(large.code, 2);
    assert.match(large.stderr, /at most 32768 bytes, and this one 32769\nHint: --keyfile/);
    const others = [["--keyfile", "/k"], ["--via", NOBODY], ["--deployment", FILE]];
    for (const other of others) {
      const { code, stderr } = await run("dmsg", "curl", "--visor", ...other, URL_OF);
      assert.equal(code, 2, stderr);
      assert.match(stderr, /cannot be used with/);
    }
  }));

Deno.test("dmsg curl --visor where none runs: exit code 3, and how to start one", () =>
  withControlDouble(undefined, async ({ run }) => {
    const { code, stderr } = await run("dmsg", "curl", "--visor", URL_OF);
    assert.equal(code, 3);
    assert.match(stderr, /No visor runs with home[^]*skyctl visor run/);
  }));

Deno.test("dmsg curl --keyfile: a file that others may read, the running visor's key, and none are refused", () =>
  withVisor(() => assert.fail("nothing is asked"), async ({ run, world: { files } }) => {
    const { secretKey, publicKey } = keyPairFromSeed(utf8("own"));
    await files.write("/own.key", utf8(`${secretKey.reveal()}\n`), { mode: 0o640 });
    const refused = async (file: string) => await run("dmsg", "curl", "--keyfile", file, URL_OF);
    const open = await refused("/own.key");
    assert.equal(open.code, 2);
    assert.match(
      open.stderr,
      /Others may read the secret key in \/own\.key: its mode is 640\nHint: chmod 600 \/own\.key/,
    );
    await files.write("/my own.key", utf8(`${secretKey.reveal()}\n`), { mode: 0o640 });
    assert.match((await refused("/my own.key")).stderr, /\nHint: chmod 600 '\/my own\.key'/);
    const none = await refused("/none.key");
    assert.match(none.stderr, /No such file: \/none\.key/);
    await files.write("/no.key", utf8("x"), { mode: 0o600 });
    const broken = await refused("/no.key"); // it may be any file: nobody is told to remove it
    assert.match(
      broken.stderr,
      /Cannot read a secret key from \/no\.key: .*\nHint: name a file with a secret key\n$/,
    );
    await files.write("/own.key", utf8(secretKey.reveal()), { mode: 0o600 });
    const control = JSON.parse(new TextDecoder().decode(await files.read("/home/control.json")));
    assert.equal(control.publicKey, HERE);
    await files.write("/home/control.json", utf8(JSON.stringify({ ...control, publicKey })), { mode: 0o600 });
    const used = await refused("/own.key");
    assert.equal(used.code, 2);
    assert.match(used.stderr, /The running visor has this key: [^]*Hint: --visor/);
  }));

/** A node whose page is for one key. */
async function serveFor(world: World, listed: string): Promise<{ url: string; close(): Promise<void> }> {
  const local = keyPairFromSeed(utf8("served"));
  const client = joinNetwork({
    world,
    local,
    network: await readNetworkFile(world.files, FILE),
    log: silentLog,
    userAgent: "test/1",
    sessionsMin: 1,
  });
  await client.dmsg.whenPublished(new AbortController().signal);
  const scope = new Scope();
  serveDmsgHttp({
    client: client.dmsg,
    world,
    scope,
    log: silentLog,
    handler: (_request, { key }) =>
      key === listed ? new Response("for you") : new Response("401 Unauthorized", { status: 401 }),
  });
  return {
    url: `dmsg://${local.publicKey}/page`,
    async close() {
      await scope[Symbol.asyncDispose]();
      await client.close();
    },
  };
}

Deno.test("dmsg curl --keyfile asks in that key's name; without it nobody does, and is told of --visor", () =>
  withControlDouble({}, async ({ run, world }) => {
    const { secretKey, publicKey } = keyPairFromSeed(utf8("own"));
    await world.files.write("/own.key", utf8(`${secretKey.reveal()}\n`), { mode: 0o600 });
    const { url, close } = await serveFor(world, publicKey);
    const own = await run("dmsg", "curl", "--keyfile", "/own.key", url);
    assert.deepEqual([own.code, own.stdout, own.stderr], [0, "for you", ""]);
    const nobody = await run("dmsg", "curl", url);
    assert.deepEqual([nobody.code, nobody.stdout], [4, "401 Unauthorized"]);
    assert.match(nobody.stderr, /status 401[^]*Hint: .*--visor asks in the running visor's name/);
    await close();
  }, { setUp: network("both") }));
