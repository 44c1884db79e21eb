/** The post-quantum hybrid of one node: what it offers, what it makes of a peer, what it remembers (PQ-1 to PQ-3). */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Conn,
  ConnClosedError,
  ConnResetError,
  Ledger,
  type LogRecord,
  logTo,
  memoryPair,
  TruncatedError,
} from "../../lib/base/mod.ts";
import {
  AuthenticationError,
  InvalidKemInputError,
  type Kem,
  keyPairFromSeed,
  type ProvenKey,
  seededKem,
  toHex,
} from "../../lib/crypto/mod.ts";
import {
  HYBRID_PEERS_MAX,
  noiseConn,
  PostQuantum,
  type PostQuantumSettings,
  PqExchange,
  PqRequiredError,
  xkAccept,
  xkConnect,
} from "../../lib/noise/mod.ts";
import type { Random } from "../../lib/runtime/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { alice, bob, noRandom, seededRandom, text } from "./support.ts";

const random = seededRandom("pq");
const KEYGEN_FAILED = "post-quantum keygen failed; proceeding with a CLASSICAL-only handshake";
const EXCHANGE_FAILED = "post-quantum exchange failed; proceeding with a CLASSICAL-only handshake";
const NOTHING = new Uint8Array(0);

/** A KEM that costs nothing, and counts. Its secrets are handed out, so that their end can be seen. */
function countingKem() {
  const kem = {
    generated: 0,
    secrets: [] as Uint8Array[],
    generate: async () => {
      kem.generated++;
      return {
        encapsulationKey: new Uint8Array(1184).fill(kem.generated),
        decapsulate: async () => secret(),
      };
    },
    encapsulate: async () => ({ ciphertext: new Uint8Array(1088).fill(9), sharedSecret: secret() }),
  };
  const secret = () => {
    const bytes = new Uint8Array(32).fill(5);
    kem.secrets.push(bytes);
    return bytes;
  };
  return kem satisfies Kem & object;
}

function policy(settings: PostQuantumSettings & { random?: Random } = {}) {
  const log: LogRecord[] = [];
  const postQuantum = new PostQuantum({
    random,
    log: logTo((record) => log.push(record), () => 0),
    ...settings,
  });
  return { postQuantum, log };
}

const proven = (name: string) => keyPairFromSeed(text(name)).publicKey as ProvenKey;
const splitKeys = () => ({ send: new Uint8Array(32).fill(1), receive: new Uint8Array(32).fill(2) });

/** One handshake of `postQuantum` as responder, with an offer or without. */
async function answered(postQuantum: PostQuantum, remote: ProvenKey, offers: boolean): Promise<boolean> {
  using hybrid = postQuantum.begin("responder");
  await hybrid.incoming(offers ? new Uint8Array(1184) : NOTHING);
  await hybrid.outgoing();
  hybrid.keys(splitKeys(), new Uint8Array(32), remote);
  return hybrid.isHybrid;
}

/** Both ends of an XK handshake over memory, each with its own settings. */
async function handshake(near: PostQuantumSettings, far: PostQuantumSettings) {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const [left, right] = memoryPair({ ledger });
  const [a, b] = [policy(near), policy(far)];
  using initiator = a.postQuantum.begin("initiator");
  using responder = b.postQuantum.begin("responder");
  const settled = await Promise.allSettled([
    xkConnect(left, { local: alice, remote: bob.publicKey, clock, random, extension: initiator }),
    xkAccept(right, { local: bob, clock, random, extension: responder }),
  ]);
  assert.equal(clock.pendingTimers, 0);
  const end = async () => {
    left.close();
    right.close();
    await Promise.all([left.closed, right.closed]);
    assert.deepEqual(ledger.live(), {});
  };
  return { settled, left, right, a, b, hybrid: [initiator.isHybrid, responder.isHybrid], end };
}

/** Both connections of a handshake that came about, encrypted. */
function connsOf({ settled }: Awaited<ReturnType<typeof handshake>>): [Conn, Conn] {
  return settled.map((outcome) => {
    if (outcome.status === "rejected") throw outcome.reason;
    return noiseConn(outcome.value.conn, outcome.value.result.keys);
  }) as [Conn, Conn];
}

Deno.test("PQ-1: two nodes as they are by default make a hybrid, and it carries data both ways", async () => {
  const made = await handshake({}, {});
  assert.deepEqual(made.hybrid, [true, true]);
  const [near, far] = connsOf(made);
  await near.write(text("hello"));
  assert.deepEqual(await far.read(), text("hello"));
  await far.write(text("and back"));
  assert.deepEqual(await near.read(), text("and back"));
  assert.deepEqual([...made.a.log, ...made.b.log], []);
  await made.end();
});

Deno.test("PQ-1: a wrong ciphertext of the right size spoils the traffic, not the handshake", async () => {
  const kem = seededKem(random);
  const tampering: Kem = {
    ...kem,
    async encapsulate(key) {
      const made = await kem.encapsulate(key);
      return { ...made, ciphertext: made.ciphertext.with(700, made.ciphertext[700]! ^ 1) };
    },
  };
  for (const writer of [0, 1]) {
    const made = await handshake({}, { kem: tampering });
    assert.deepEqual(made.hybrid, [true, true]);
    const conns = connsOf(made);
    await conns[writer]!.write(text("hello"));
    await assert.rejects(conns[1 - writer]!.read(), AuthenticationError);
    await made.end();
  }
});

for (const [near, far] of [["offer", "off"], ["off", "offer"], ["off", "off"]] as const) {
  Deno.test(`PQ-2: "${near}" and "${far}" make a classical connection that works`, async () => {
    const made = await handshake({ mode: near }, { mode: far });
    assert.deepEqual(made.hybrid, [false, false]);
    const [left, right] = connsOf(made);
    await left.write(text("hello"));
    assert.deepEqual(await right.read(), text("hello"));
    const told = made.a.log.map(({ level, module, message, fields }) => [level, module, message, fields]);
    const expected = [
      "warn",
      "noise",
      "post-quantum DOWNGRADE: offered ML-KEM but peer returned no ciphertext; session is CLASSICAL-only " +
      "(older peer, or a payload-stripping MITM)",
      { peer: bob.publicKey },
    ];
    assert.deepEqual(told, near === "offer" ? [expected] : []);
    assert.deepEqual(made.b.log, [], "a responder cannot tell an old peer from a stripped offer");
    await made.end();
  });
}

Deno.test("PQ-3: an initiator that requires the hybrid refuses before message 3, and the other side ends at once", async () => {
  const made = await handshake({ mode: "require" }, { mode: "off" });
  const [refused, ended] = made.settled as PromiseRejectedResult[];
  assert.ok(refused!.reason instanceof PqRequiredError);
  assert.equal(refused!.reason.peer, bob.publicKey);
  assert.equal(
    refused!.reason.message,
    "post-quantum required (SKYWIRE_REQUIRE_PQ) but the session negotiated classical-only — refusing the handshake",
  );
  const { reason } = ended!;
  assert.ok(reason instanceof ConnResetError || reason instanceof TruncatedError, String(reason));
  assert.deepEqual(made.a.log, [], "what is refused does not go on, classical");
  await made.end();
});

Deno.test("PQ-3: a responder that requires the hybrid refuses after message 3, and closes at once", async () => {
  const made = await handshake({ mode: "off" }, { mode: "require" });
  const [dialled, refused] = made.settled as [PromiseFulfilledResult<{ conn: Conn }>, PromiseRejectedResult];
  assert.ok(refused.reason instanceof PqRequiredError);
  assert.equal(refused.reason.peer, alice.publicKey);
  await assert.rejects(dialled.value.conn.read(), ConnResetError);
  await made.end();
});

Deno.test("PQ-3: both may require it", async () => {
  const made = await handshake({ mode: "require" }, { mode: "require" });
  assert.deepEqual(made.hybrid, [true, true]);
  connsOf(made);
  await made.end();
});

Deno.test("every handshake has a key pair of its own, and only its initiator makes one", async () => {
  const [near, far] = [countingKem(), countingKem()];
  const first = await handshake({ kem: near }, { kem: far });
  await first.end();
  assert.deepEqual([near.generated, far.generated], [1, 0]);
  const { postQuantum } = policy({ kem: near });
  const offers = [];
  for (let times = 0; times < 3; times++) offers.push(toHex(await postQuantum.begin("initiator").outgoing()));
  assert.equal(new Set(offers).size, 3);
  assert.equal(near.generated, 4);
});

Deno.test("the secret is wiped once it is mixed, and when the handshake fails", async () => {
  const [near, far] = [countingKem(), countingKem()];
  const made = await handshake({ kem: near }, { kem: far });
  await made.end();
  const wiped = new Uint8Array(32);
  assert.deepEqual([near.secrets, far.secrets], [[wiped], [wiped]]);
  {
    using hybrid = policy({ kem: far }).postQuantum.begin("responder");
    await hybrid.incoming(new Uint8Array(1184));
    assert.notDeepEqual(far.secrets[1], wiped);
  }
  assert.deepEqual(far.secrets[1], wiped);
});

Deno.test("only the first right payload counts, and none that can no longer be answered", async () => {
  const kem = countingKem();
  const responder = new PqExchange("responder", kem);
  await responder.incoming(new Uint8Array(1184));
  await responder.incoming(new Uint8Array(1184));
  assert.equal(kem.secrets.length, 1);
  assert.equal((await responder.outgoing()).length, 1088);
  assert.equal((await responder.outgoing()).length, 0, "the answer is given once");
  const late = new PqExchange("responder", kem);
  assert.equal((await late.outgoing()).length, 0);
  await late.incoming(new Uint8Array(1184)); // in message 3: its sender would never learn the secret
  assert.equal(late.hasSecret, false);
  const initiator = new PqExchange("initiator", kem);
  await initiator.incoming(new Uint8Array(1088)); // nothing was offered
  assert.equal(initiator.hasSecret, false);
  assert.equal((await initiator.outgoing()).length, 1184);
  await initiator.incoming(new Uint8Array(1184)); // an offer back is no answer
  assert.equal(initiator.hasSecret, false);
  await initiator.incoming(new Uint8Array(1088));
  await initiator.incoming(new Uint8Array(1088));
  assert.equal(kem.secrets.length, 2);
  assert.equal((await initiator.outgoing()).length, 0);
});

Deno.test("a payload of another length is neither an offer nor an answer, whatever the KEM would make of it", async () => {
  const kem = countingKem();
  for (const length of [0, 1, 1088, 1183, 1185]) {
    const responder = new PqExchange("responder", kem);
    await responder.incoming(new Uint8Array(length));
    assert.deepEqual([responder.hasSecret, (await responder.outgoing()).length], [false, 0]);
  }
  for (const length of [0, 1, 1087, 1089, 1184]) {
    const initiator = new PqExchange("initiator", kem);
    await initiator.outgoing();
    await initiator.incoming(new Uint8Array(length));
    assert.equal(initiator.hasSecret, false);
  }
});

Deno.test("a KEM that fails leaves the handshake classical, and says so", async () => {
  const cause = new Error("no entropy");
  const broken: Kem = { generate: () => Promise.reject(cause), encapsulate: () => Promise.reject(cause) };
  const near = await handshake({ kem: broken }, {});
  assert.deepEqual(near.hybrid, [false, false]);
  assert.deepEqual(near.a.log.map(({ message, fields }) => [message, fields.cause]), [
    [KEYGEN_FAILED, "no entropy"],
  ]); // and no word of a downgrade: nothing was offered
  await near.end();
  const far = await handshake({}, { kem: broken });
  assert.deepEqual(far.hybrid, [false, false]);
  assert.deepEqual(far.b.log.map(({ message }) => message), [EXCHANGE_FAILED]);
  await far.end();
  const required = await handshake({ kem: broken, mode: "require" }, {});
  assert.equal(required.settled[0]!.status, "rejected");
  await required.end();
});

Deno.test("a peer's key that is none is nothing to tell of", async () => {
  const { postQuantum, log } = policy();
  using hybrid = postQuantum.begin("responder");
  await hybrid.incoming(new Uint8Array(1184).fill(255));
  assert.equal((await hybrid.outgoing()).length, 0);
  assert.deepEqual(log, []);
  await assert.rejects(seededKem(random).encapsulate(new Uint8Array(1184).fill(255)), InvalidKemInputError);
});

Deno.test("PQ-2: a peer that was hybrid and is classical is told of by its key, once until it is hybrid again", async () => {
  const { postQuantum, log } = policy({ kem: countingKem() });
  const [one, two] = [proven("one"), proven("two")];
  const told = () =>
    log.splice(0).map(({ level, message, fields }) => [level, message.slice(13, 34), fields]);
  await answered(postQuantum, one, false);
  await answered(postQuantum, two, true);
  assert.deepEqual(told(), [], "classical from the start: an older peer");
  assert.equal(await answered(postQuantum, one, true), true);
  assert.equal(await answered(postQuantum, one, false), false);
  const fallen = ["warn", "DOWNGRADE: this peer ", { peer: one }];
  assert.deepEqual(told(), [fallen]);
  for (let times = 0; times < 3; times++) await answered(postQuantum, one, false);
  assert.deepEqual(told(), [], "a peer cannot fill the log");
  await answered(postQuantum, one, true);
  await answered(postQuantum, one, false);
  assert.deepEqual(told(), [fallen]);
});

Deno.test("PQ-2: an initiator that offered tells of both, the downgrade and the fall", async () => {
  const { postQuantum, log } = policy({ kem: countingKem() });
  for (const reply of [1088, 0, 0]) {
    using hybrid = postQuantum.begin("initiator");
    await hybrid.outgoing();
    await hybrid.incoming(new Uint8Array(reply));
    hybrid.keys(splitKeys(), new Uint8Array(32), proven("one"));
  }
  const told = log.map(({ message }) => message.slice(13, 34));
  assert.deepEqual(told, ["DOWNGRADE: offered ML", "DOWNGRADE: this peer ", "DOWNGRADE: offered ML"]);
});

Deno.test("a refused peer that was hybrid is told of too", async () => {
  const { postQuantum, log } = policy({ kem: countingKem(), mode: "require" });
  await answered(postQuantum, proven("one"), true);
  await assert.rejects(answered(postQuantum, proven("one"), false), PqRequiredError);
  assert.deepEqual(log.map(({ message, fields }) => [message.slice(24, 33), fields.peer]), [
    ["this peer", proven("one")],
  ]);
});

Deno.test("the memory of hybrid peers holds 4,096; the one not met for longest goes first", async () => {
  const { postQuantum, log } = policy({ kem: countingKem() });
  const peer = (number: number) => `peer ${number}` as ProvenKey;
  for (let number = 0; number < HYBRID_PEERS_MAX; number++) await answered(postQuantum, peer(number), true);
  await answered(postQuantum, peer(0), true); // met again
  await answered(postQuantum, peer(HYBRID_PEERS_MAX), true); // one too many: 1 is forgotten
  for (const number of [0, 1, 2, HYBRID_PEERS_MAX]) await answered(postQuantum, peer(number), false);
  assert.deepEqual(log.map(({ fields }) => fields.peer), [peer(0), peer(2), peer(HYBRID_PEERS_MAX)]);
  assert.equal(HYBRID_PEERS_MAX, 4_096);
});

Deno.test(`"off" draws nothing, sends nothing, remembers nothing`, async () => {
  const { postQuantum, log } = policy({ mode: "off", random: noRandom });
  for (const role of ["initiator", "responder"] as const) {
    using hybrid = postQuantum.begin(role);
    await hybrid.incoming(new Uint8Array(role === "initiator" ? 1088 : 1184));
    assert.equal((await hybrid.outgoing()).length, 0);
    const classical = splitKeys();
    assert.equal(hybrid.keys(classical, new Uint8Array(32), proven("one")), classical);
    assert.equal(hybrid.isHybrid, false);
  }
  assert.deepEqual(log, []);
});

Deno.test("any payloads in any message leave a handshake that ends in keys (2,000 of them)", async () => {
  const kem = seededKem(random);
  const pair = await kem.generate(); // one for all: making it is not what is tried here
  const { postQuantum } = policy({ kem: { ...kem, generate: () => Promise.resolve(pair) } });
  const lengths = [fc.constant(1184), fc.constant(1088), fc.integer({ min: 0, max: 1300 })];
  const payload = fc.oneof(
    ...lengths.map((length) =>
      length.chain((bytes) => fc.uint8Array({ minLength: bytes, maxLength: bytes }))
    ),
    fc.constant(pair.encapsulationKey),
  );
  let runs = 0;
  let hybrids = 0;
  await fc.assert(
    fc.asyncProperty(fc.boolean(), payload, payload, async (isInitiator, first, second) => {
      runs++;
      using hybrid = postQuantum.begin(isInitiator ? "initiator" : "responder");
      if (isInitiator) assert.equal((await hybrid.outgoing()).length, 1184);
      await hybrid.incoming(first);
      const length = (await hybrid.outgoing()).length;
      if (!isInitiator) await hybrid.incoming(second);
      const keys = hybrid.keys(splitKeys(), new Uint8Array(32), proven("one"));
      assert.deepEqual([keys.send.length, keys.receive.length], [32, 32]);
      if (hybrid.isHybrid) hybrids++;
      if (isInitiator) assert.equal(hybrid.isHybrid, first.length === 1088);
      else assert.equal(hybrid.isHybrid, length === 1088);
    }),
    { numRuns: 2_000 },
  );
  assert.equal(runs, 2_000);
  assert.ok(hybrids > 200 && hybrids < 1_800, `${hybrids} hybrids`);
});

Deno.test("a close while the KEM is at work ends the handshake, and nothing is left", async () => {
  const working = Promise.withResolvers<never>();
  const slow: Kem = { generate: () => working.promise, encapsulate: () => working.promise };
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const [left, right] = memoryPair({ ledger });
  const controller = new AbortController();
  using extension = policy({ kem: slow }).postQuantum.begin("initiator");
  const { signal } = controller;
  const connecting = xkConnect(left, {
    local: alice,
    remote: bob.publicKey,
    clock,
    random,
    extension,
    signal,
  });
  controller.abort(new ConnClosedError());
  working.reject(new Error("the KEM was stopped"));
  await assert.rejects(connecting, ConnClosedError);
  right.close();
  await Promise.all([left.closed, right.closed]);
  assert.deepEqual(ledger.live(), {});
});
