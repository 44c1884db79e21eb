/** What strangers do to the resolver's UDP side: 64 handshakes at once, 10 s each, a share for each address (SV-3). */
import assert from "node:assert/strict";
import { keyPairFromSeed, sign, toHex } from "../../../lib/crypto/mod.ts";
import { Command, encodeSegment, parseSegments } from "../../../lib/kcp/mod.ts";
import { type DatagramSocket, sleep, type SocketAddress, type World } from "../../../lib/runtime/mod.ts";
import { parseNonce, renderClaim } from "../../../lib/transport/address_handshake.ts";
import { Places } from "../../../lib/services/address_resolver/_places.ts";
import { pair } from "../service_support.ts";
import { Rig, Visor } from "./support.ts";

const SECOND = 1_000;
const encoder = new TextEncoder();

/** A port of the resolver's machine that hears whatever a test sends it, from whatever address that says. */
class Forgery implements DatagramSocket {
  readonly address = { hostname: "0.0.0.0", port: 30_178 };
  /** What went out, and to whom. */
  readonly sent: { readonly bytes: Uint8Array; readonly to: SocketAddress }[] = [];
  failures: unknown[] = [];
  readonly #waiting: { bytes: Uint8Array; from: SocketAddress }[] = [];
  #wake: (() => void) | undefined;
  #isClosed = false;

  send(bytes: Uint8Array, to: SocketAddress): Promise<void> {
    this.sent.push({ bytes: bytes.slice(), to });
    return Promise.resolve();
  }

  async receive() {
    for (;;) {
      if (this.failures.length > 0) throw this.failures.shift();
      if (this.#isClosed) return null;
      const next = this.#waiting.shift();
      if (next !== undefined) return next;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#wake?.();
  }

  hear(bytes: Uint8Array, from: SocketAddress): void {
    this.#waiting.push({ bytes, from });
    this.#wake?.();
  }

  fail(error: unknown): void {
    this.failures.push(error);
    this.#wake?.();
  }
}

function segment(conversation: number, number: number, text: string): Uint8Array {
  const header = { conversation, command: Command.push, fragment: 0, window: 32, timestamp: 0, number };
  return encodeSegment({ ...header, unacknowledged: number }, encoder.encode(text));
}

const sourceOf = (index: number) => ({
  hostname: `198.${18 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`,
  port: 1_024 + index,
});

function withForgery(
  scenario: (rig: Rig, forgery: Forgery) => Promise<void>,
  settings = {},
): Promise<void> {
  const forgery = new Forgery();
  return Rig.run((rig) => scenario(rig, forgery), { settings, socket: () => Promise.resolve(forgery) });
}

Deno.test("SV-3: 64 handshakes at once; one more is dropped, and gets in when a place is free", () =>
  Rig.run(async (rig) => {
    for (let index = 0; index < 64; index++) (await rig.visor(`slow ${index}`)).request();
    await sleep(rig.world.clock, 5 * SECOND);
    assert.deepEqual([rig.side.counters().handshakes, rig.side.counters().dropped], [64, 0]);
    const startMs = rig.simulation.nowMs;
    const late = await rig.visor("late");
    await late.connect(); // KCP sends again until there is a place
    const tookMs = rig.simulation.nowMs - startMs;
    assert.ok(tookMs > 4 * SECOND && tookMs < 9 * SECOND, `${tookMs} ms`);
    const { handshakes, dropped, failed, proved } = rig.side.counters();
    assert.equal(handshakes, 0, "each had 10 s");
    assert.ok(dropped >= 2, `${dropped} dropped`);
    assert.deepEqual([failed, proved], [64, 1]);
  }));

Deno.test("SV-3: those who acknowledge nothing make room after 2 s, and only for who comes", () =>
  withForgery(async (rig, forgery) => {
    for (let index = 0; index < 64; index++) forgery.hear(segment(index, 0, "get_nonce"), sourceOf(index));
    await sleep(rig.world.clock, 1_900);
    forgery.hear(segment(100, 0, "get_nonce"), sourceOf(100));
    await sleep(rig.world.clock, 10);
    assert.deepEqual([rig.side.counters().dropped, rig.side.counters().failed], [1, 0]);
    await sleep(rig.world.clock, 100);
    assert.equal(rig.side.counters().failed, 0);
    for (let index = 100; index < 110; index++) {
      forgery.hear(segment(index, 0, "get_nonce"), sourceOf(index));
    }
    await sleep(rig.world.clock, 10);
    const { dropped, failed, handshakes } = rig.side.counters();
    assert.deepEqual({ dropped, failed, handshakes }, { dropped: 1, failed: 10, handshakes: 64 });
    await prove(rig.world, forgery, { source: sourceOf(200), local: pair("visor") });
    assert.equal(rig.side.counters().proved, 1, "in the middle of the flood");
  }));

Deno.test("SV-3: room is made within the share of an address, by its own", () =>
  withForgery(async (rig, forgery) => {
    const { hostname } = sourceOf(1);
    for (let index = 0; index < 5; index++) {
      forgery.hear(segment(index, 0, "get_nonce"), sourceOf(50 + index));
    }
    await sleep(rig.world.clock, 10);
    for (let index = 0; index < 16; index++) {
      forgery.hear(segment(index, 0, "get_nonce"), { hostname, port: 2_000 + index });
    }
    await sleep(rig.world.clock, 3 * SECOND);
    forgery.hear(segment(77, 0, "get_nonce"), { hostname, port: 3_000 });
    await sleep(rig.world.clock, 10);
    const ended = forgery.sent.filter(({ bytes }) => bytes.length === 24 && bytes[5] === 255);
    assert.deepEqual(ended.map(({ to }) => to), [{ hostname, port: 2_000 }], "the oldest of its own");
    assert.deepEqual([rig.side.counters().handshakes, rig.side.counters().failed], [21, 1]);
  }));

Deno.test("SV-3: a handshake has 10 s, not less and not more", () =>
  withForgery(async (rig, forgery) => {
    forgery.hear(segment(7, 0, "get_nonce"), sourceOf(1));
    await sleep(rig.world.clock, 9_990);
    assert.equal(rig.side.counters().handshakes, 1);
    await sleep(rig.world.clock, 20);
    assert.deepEqual([rig.side.counters().handshakes, rig.side.counters().failed], [0, 1]);
  }));

Deno.test("SV-3: one address takes a quarter of the places, and others the rest", () =>
  withForgery(async (rig, forgery) => {
    const [one, other] = [sourceOf(1).hostname, sourceOf(2).hostname];
    for (let index = 0; index < 100; index++) {
      forgery.hear(segment(index, 0, "get_nonce"), { hostname: one, port: 2_000 + index });
    }
    await sleep(rig.world.clock, SECOND);
    assert.deepEqual([rig.side.counters().handshakes, rig.side.counters().dropped], [16, 84]);
    for (let index = 0; index < 10; index++) {
      forgery.hear(segment(index, 0, "get_nonce"), { hostname: other, port: 2_000 + index });
    }
    await sleep(rig.world.clock, SECOND);
    assert.equal(rig.side.counters().handshakes, 26);
  }));

Deno.test("the number of places and their time are settings", () =>
  withForgery(async (rig, forgery) => {
    for (let index = 0; index < 20; index++) forgery.hear(segment(index, 0, "get_nonce"), sourceOf(index));
    await sleep(rig.world.clock, 900);
    assert.deepEqual([rig.side.counters().handshakes, rig.side.counters().dropped], [8, 12]);
    await sleep(rig.world.clock, 200);
    assert.equal(rig.side.counters().handshakes, 0);
  }, { handshakesMax: 8, handshakeTimeoutMs: SECOND }));

Deno.test("SV-3: 10,000 forged handshakes take 64 places, and a visor is served after them", () =>
  withForgery(async (rig, forgery) => {
    const genuine = pair("genuine");
    for (let index = 0; index < 10_000; index++) {
      forgery.hear(segment(index, 0, "get_nonce"), sourceOf(index));
      if (index % 1_000 !== 999) continue;
      await sleep(rig.world.clock, 1);
      assert.ok(rig.side.counters().handshakes <= 64);
      assert.ok(
        (rig.world.ledger.live()["kcp-session"] ?? 0) <= 64 * 2,
        "KCP holds no more than is waited for",
      );
    }
    assert.equal(rig.side.counters().dropped, 10_000 - 64);
    await sleep(rig.world.clock, 11 * SECOND);
    assert.equal(rig.side.counters().handshakes, 0);
    assert.equal(rig.world.ledger.live()["kcp-session"], undefined);
    await prove(rig.world, forgery, { source: sourceOf(20_000), local: genuine });
    assert.equal(rig.side.counters().proved, 1);
  }));

/** The whole handshake by hand. With `change` the claim is changed before it is sent. */
async function prove(
  world: World,
  forgery: Forgery,
  { source, local, port = 0, change = (claim) => claim }: {
    source: SocketAddress;
    local: ReturnType<typeof pair>;
    port?: number;
    change?: (claim: string) => string;
  },
): Promise<string[]> {
  const conversation = source.port;
  const heard = () =>
    forgery.sent.filter(({ to }) => to.port === source.port).flatMap(({ bytes }) => parseSegments(bytes))
      .filter(({ command, data }) => command === Command.push && data.length > 0)
      .map(({ data }) => new TextDecoder().decode(data));
  forgery.hear(segment(conversation, 0, "get_nonce"), source);
  await sleep(world.clock, 50);
  const nonce = parseNonce(heard()[0]!);
  const claim = {
    source: { publicKey: local.publicKey, port: 0 },
    destination: { publicKey: undefined, port },
    nonce,
  };
  const signature = sign(encoder.encode(renderClaim(claim)), local.secretKey);
  forgery.hear(segment(conversation, 1, change(renderClaim(claim, signature))), source);
  await sleep(world.clock, 50);
  return [...new Set(heard())].slice(1);
}

Deno.test("SV-3: only the key's own signature over our nonce, for the resolver alone, proves anything", () =>
  withForgery(async (rig, forgery) => {
    const [visor, other] = [pair("visor"), keyPairFromSeed(encoder.encode("other"))];
    const wrong: [what: string, port: number, change: (claim: string) => string][] = [
      ["another's key", 0, (claim) => claim.replace(visor.publicKey, other.publicKey)],
      ["no signature", 0, (claim) => claim.replace(/"Sig":"[0-9a-f]+"/, `"Sig":"${"0".repeat(130)}"`)],
      ["another nonce", 0, (claim) => claim.replace(/"Nonce":\[\d+/, '"Nonce":[256')],
      [
        "a repeated nonce",
        0,
        (claim) => claim.replace(/"Nonce":\[[\d,]+\]/, `"Nonce":[${Array(16).fill(1)}]`),
      ],
      ["signed for another port", 0, (claim) => claim.replace(/"port":0\},"Nonce/, '"port":1},"Nonce')],
      ["no JSON", 0, () => "{nonce}"],
      ["too long", 0, (claim) => claim.replace("{", `{"a":"${"x".repeat(900)}",`)],
    ];
    for (const [index, [what, port, change]] of wrong.entries()) {
      const verdict = await prove(rig.world, forgery, {
        source: sourceOf(index),
        local: visor,
        port,
        change: what === "too long" ? (claim) => change(change(change(claim))).slice(0, 1_300) : change,
      });
      assert.ok(!verdict.includes('{"OK":true,"ErrMsg":""}\n'), what);
    }
    // Somebody whom the visor dials cannot pass its claim on to bind it elsewhere.
    const passedOn = await prove(rig.world, forgery, { source: sourceOf(50), local: visor, port: 45 });
    assert.deepEqual(passedOn, ['{"OK":false,"ErrMsg":"not listening on given port"}\n']);
    await sleep(rig.world.clock, 11 * SECOND);
    const { proved, failed, sessions, handshakes } = rig.side.counters();
    assert.deepEqual({ proved, failed, sessions, handshakes }, {
      proved: 0,
      failed: wrong.length + 1,
      sessions: 0,
      handshakes: 0,
    });
    const right = await prove(rig.world, forgery, { source: sourceOf(60), local: visor });
    assert.deepEqual(right, ['{"OK":true,"ErrMsg":""}\n']);
    assert.equal(toHex(Uint8Array.of(rig.side.counters().proved)), "01");
  }));

Deno.test("SV-3: what is no KCP, no beginning or no request takes no place for long", () =>
  withForgery(async (rig, forgery) => {
    const inputs = [
      encoder.encode("holepunch"),
      new Uint8Array(0),
      new Uint8Array(24),
      segment(1, 5, "get_nonce"),
      segment(2, 0, ""),
      segment(3, 0, "get_nonce").subarray(0, 30),
      segment(4, 0, "GET / HTTP/1.1\r\n\r\n"),
    ];
    for (const [index, input] of inputs.entries()) forgery.hear(input, sourceOf(index));
    for (let index = 0; index < 2_000; index++) {
      forgery.hear(rig.world.random.bytes(1 + index % 200), sourceOf(100 + index));
    }
    await sleep(rig.world.clock, 100);
    const { handshakes, failed, proved } = rig.side.counters();
    assert.deepEqual({ handshakes, failed, proved }, { handshakes: 0, failed: 1, proved: 0 });
  }));

Deno.test("SV-3: a receive that fails never ends the service", () =>
  withForgery(async (rig, forgery) => {
    for (let index = 0; index < 20; index++) forgery.fail(new Error("The network is down"));
    await sleep(rig.world.clock, 60 * SECOND);
    await prove(rig.world, forgery, { source: sourceOf(1), local: pair("visor") });
    assert.equal(rig.side.counters().proved, 1);
  }));

Deno.test("a visor that floods its own session ends nobody else's", () =>
  Rig.run(async (rig) => {
    const [loud, quiet] = [await rig.visor("loud"), await rig.visor("quiet")];
    for (const visor of [loud, quiet]) await (await visor.connect()).bind();
    await sleep(rig.world.clock, SECOND);
    for (let count = 0; count < 3_000; count++) await loud.say("heartbeat");
    for (let count = 0; count < 300; count++) await loud.bind();
    await quiet.say("heartbeat");
    await sleep(rig.world.clock, 10 * SECOND);
    assert.ok(await rig.resolve(loud.local, quiet.local));
    assert.equal(rig.side.counters().sessions, 2);
  }));

Deno.test("sessions have a bound for each address, and a place is free when one ends", () => {
  const places = new Places({ max: 5, perAddressMax: 3 });
  const leaves = ["a", "a", "a"].map((hostname) => places.take(hostname));
  assert.deepEqual([places.hasRoom("a"), places.hasRoom("b")], [false, true]);
  leaves.push(places.take("b"), places.take("c"));
  assert.deepEqual([places.hasRoom("b"), places.count], [false, 5]);
  leaves[0]!();
  leaves[0]!();
  assert.deepEqual([places.hasRoom("a"), places.hasRoom("d"), places.count], [true, true, 4]);
  for (const leave of leaves) leave();
  assert.equal(places.count, 0);
});

Deno.test("an office of visors behind one address all get in, some a little later", () =>
  Rig.run(async (rig) => {
    rig.simulation.nat("office", { kind: "symmetric" });
    const visors: Visor[] = [];
    for (let index = 0; index < 60; index++) {
      visors.push(await rig.visor(`visor ${index}`, { behind: "office" }));
    }
    await Promise.all(visors.map(async (visor) => (await visor.connect()).bind()));
    await sleep(rig.world.clock, 100);
    assert.equal(rig.side.counters().sessions, 60);
    assert.ok(rig.side.counters().dropped > 0);
    assert.ok(rig.simulation.nowMs < 10 * SECOND, `${rig.simulation.nowMs} ms`);
  }));
