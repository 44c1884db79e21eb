/** The post-quantum vectors: every recorded handshake in both roles, byte for byte, and the combiner alone. */
import assert from "node:assert/strict";
import { logTo } from "../../lib/base/mod.ts";
import {
  AuthenticationError,
  chachaOpen,
  chachaSeal,
  fromHex,
  type Kem,
  kemEncapsulate,
  kemKeysFromSeed,
  parsePublicKey,
  seededKem,
  toHex,
  webCryptoKemFromSeed,
} from "../../lib/crypto/mod.ts";
import {
  hybridKey,
  kkInitiator,
  kkResponder,
  ObjectOpener,
  ObjectSealer,
  PostQuantum,
  PqRequiredError,
  type SplitKeys,
  xkInitiator,
  xkResponder,
} from "../../lib/noise/mod.ts";
import combiner from "../vectors/pq/combiner.json" with { type: "json" };
import kk from "../vectors/pq/handshake-kk.json" with { type: "json" };
import xk from "../vectors/pq/handshake-xk.json" with { type: "json" };
import { noRandom, pairOf } from "./support.ts";

type Role = "initiator" | "responder";
const ROLES = ["initiator", "responder"] as const;

/** The two files differ only in which fields are absent. */
interface Vector {
  readonly name: string;
  readonly protocol_name: string;
  readonly config: Readonly<Record<`${Role}_${"pq" | "require_pq"}`, boolean>>;
  readonly keys: Readonly<Record<`${Role}_${"static" | "ephemeral"}_${"sk" | "pk"}`, string>>;
  readonly kem: {
    readonly initiator_seed_d_z: string;
    readonly responder_encapsulation_randomness_m: string;
    readonly initiator_encapsulation_key: string;
  };
  readonly messages: readonly {
    readonly from: string;
    readonly payload: string;
    readonly message: string;
    readonly framed: string;
  }[];
  readonly handshake_hash?: string;
  readonly initiator?: Side;
  readonly responder?: Side;
  readonly transport_frames?: readonly {
    readonly direction: string;
    readonly plaintext: string;
    readonly ciphertext_with_nonce_prefix: string;
    readonly framed: string;
    readonly receiver_decrypts: boolean;
  }[];
  readonly explicit_nonce_frames?: readonly {
    readonly direction: string;
    readonly explicit_nonce: string;
    readonly plaintext: string;
    readonly sealed: string;
  }[];
  readonly error?: { readonly at: string; readonly text: string };
}

interface Side {
  readonly classical_enc_key: string;
  readonly classical_dec_key: string;
  readonly enc_key: string;
  readonly dec_key: string;
  readonly pq_active: boolean;
  readonly warnings: readonly string[] | null;
}

const vectors = [...kk.vectors, ...xk.vectors] as readonly Vector[];

/** Where a role was made to send what no implementation sends: the test sends it in its place. */
const PLAYED: Readonly<Record<string, Role>> = {
  "kk-malformed-offer-1183": "initiator",
  "kk-offer-not-a-valid-key": "initiator",
  "kk-malformed-reply-1087": "responder",
};

for (const [index, vector] of vectors.entries()) {
  for (const role of ROLES) {
    const title = `${vector.name} (${index + 1}) as ${role}`;
    if (vector.error === undefined) {
      Deno.test(`pq vector: ${title}`, async () => check(vector, role, await play(vector, role)));
    } else Deno.test(`pq vector: ${title}`, () => checkRefusal(vector, role));
  }
  if (!vector.config.initiator_pq || vector.error !== undefined) continue;
  Deno.test(`pq vector: ${vector.name} (${index + 1}) as initiator, its secret by WebCrypto`, async () => {
    const kem: Kem = {
      ...recordedKem(vector),
      generate: () => webCryptoKemFromSeed((work) => work(), fromHex(vector.kem.initiator_seed_d_z)),
    };
    check(vector, "initiator", await play(vector, "initiator", kem));
  });
}

Deno.test("all pq vectors were run", () => {
  assert.deepEqual([kk.vectors.length, xk.vectors.length], [12, 8]);
  assert.deepEqual([kk.case_counts.vectors, xk.case_counts.vectors], [12, 8]);
  assert.deepEqual([combiner.vectors.length, combiner.errors.length], [5, 2]);
  assert.equal(vectors.filter(({ error }) => error !== undefined).length, 4);
  assert.equal(vectors.filter(({ initiator }) => initiator?.pq_active).length, 7);
});

Deno.test("hybridKey() gives every recorded key", () => {
  for (const { classical_key, mlkem_shared_secret, handshake_hash, output } of combiner.vectors) {
    const args = [classical_key, mlkem_shared_secret, handshake_hash].map(fromHex);
    assert.equal(toHex(hybridKey(args[0]!, args[1]!, args[2]!)), output);
  }
});

Deno.test("hybridKey() refuses what is no key or no secret, in the recorded words", () => {
  for (const { classical_key, mlkem_shared_secret, handshake_hash, error } of combiner.errors) {
    const args = [classical_key, mlkem_shared_secret, handshake_hash].map(fromHex);
    assert.throws(() => hybridKey(args[0]!, args[1]!, args[2]!), new RangeError(error));
  }
});

interface Played {
  readonly keys: SplitKeys;
  readonly hash: string;
  readonly isHybrid: boolean;
  readonly warnings: readonly string[];
}

/** One role through one handshake, its peer's messages from the record. Rejects where the role refuses. */
async function play(vector: Vector, role: Role, kem: Kem = recordedKem(vector)): Promise<Played> {
  const warnings: string[] = [];
  const peer = vector.keys[`${other(role)}_static_pk`];
  const log = logTo(({ level, module, message, fields }) => {
    assert.deepEqual([level, module, fields], ["warn", "noise", { peer }]);
    warnings.push(message);
  }, () => 0);
  using hybrid = new PostQuantum({ mode: modeOf(vector, role), kem, random: noRandom, log }).begin(role);
  const handshake = engineOf(vector, role);
  const messagesMax = vector.protocol_name.includes("_KK_") ? 2 : 3;
  for (let turn = 1; turn <= messagesMax; turn++) {
    const recorded = vector.messages[turn - 1]; // none: it was never sent
    const isOurs = (turn % 2 === 1) === (role === "initiator");
    if (!isOurs) {
      assert.equal(recorded!.from, other(role));
      const payload = handshake[`readMessage${turn}`]!(fromHex(recorded!.message));
      assert.equal(toHex(payload), recorded!.payload);
      await hybrid.incoming(payload);
      continue;
    }
    const payload = PLAYED[vector.name] === role
      ? fromHex(recorded!.payload)
      : new Uint8Array(await hybrid.outgoing());
    const message = handshake[`writeMessage${turn}`]!(payload);
    if (recorded === undefined) continue;
    assert.equal(toHex(payload), recorded.payload);
    assert.equal(toHex(message), recorded.message);
    assert.equal(recorded.framed, message.length.toString(16).padStart(4, "0") + recorded.message);
  }
  const { keys: classical, handshakeHash, remote } = handshake.finish();
  assert.equal(remote, peer);
  if (vector.error === undefined) {
    assert.equal(toHex(classical.send), vector[role]!.classical_enc_key);
    assert.equal(toHex(classical.receive), vector[role]!.classical_dec_key);
  }
  const keys = hybrid.keys(classical, handshakeHash, remote);
  const { isHybrid } = hybrid;
  const isWiped = [...classical.send, ...classical.receive].every((byte) => byte === 0);
  assert.equal(isWiped, isHybrid, "the classical keys are gone once they are of no more use");
  return { keys, hash: toHex(handshakeHash), isHybrid, warnings };
}

function check(vector: Vector, role: Role, { keys, hash, isHybrid, warnings }: Played): void {
  const side = vector[role]!;
  assert.equal(hash, vector.handshake_hash);
  assert.equal(isHybrid, side.pq_active);
  assert.deepEqual(warnings, side.warnings ?? []);
  assert.equal(toHex(keys.send), side.enc_key);
  assert.equal(toHex(keys.receive), side.dec_key);
  let frames = 0;
  const sealer = new ObjectSealer(keys.send);
  const opener = new ObjectOpener(keys.receive);
  for (const frame of vector.transport_frames!) {
    frames++;
    if (frame.direction.startsWith(role)) {
      assert.equal(toHex(sealer.seal(fromHex(frame.plaintext))), frame.framed);
      continue;
    }
    const open = () => toHex(opener.open(fromHex(frame.ciphertext_with_nonce_prefix)));
    if (frame.receiver_decrypts) assert.equal(open(), frame.plaintext);
    else assert.throws(open, AuthenticationError);
  }
  const areSame = vector[role]!.enc_key === vector[other(role)]!.dec_key;
  for (const { direction, explicit_nonce, plaintext, sealed } of vector.explicit_nonce_frames!) {
    frames++;
    const nonce = BigInt(explicit_nonce);
    if (direction.startsWith(role)) {
      assert.equal(toHex(chachaSeal(keys.send, nonce, NOTHING, fromHex(plaintext))), sealed);
      continue;
    }
    const open = () => toHex(chachaOpen(keys.receive, nonce, NOTHING, fromHex(sealed)));
    if (areSame) assert.equal(open(), plaintext);
    else assert.throws(open, AuthenticationError);
  }
  assert.equal(frames, 16);
}

/** The role that requires the hybrid refuses where the record says; its peer's messages are as recorded. */
async function checkRefusal(vector: Vector, role: Role): Promise<void> {
  const { at, text } = vector.error!;
  const strikesAt = {
    "kk-require-pq-initiator": "initiator processing message 2",
    "kk-require-pq-responder": "responder writing message 2 (message is not sent)",
    "xk-require-pq-initiator": "initiator writing message 3 (message is not sent)",
    "xk-require-pq-responder": "responder processing message 3",
  }[vector.name];
  assert.equal(at, strikesAt);
  if (!at.startsWith(role)) {
    if (vector.name === "xk-require-pq-responder") {
      assert.equal((await play(vector, role)).isHybrid, false, "the initiator has finished before");
    } else if (vector.name === "kk-require-pq-initiator") {
      assert.equal((await play(vector, role)).isHybrid, false, "and so has the responder");
    } // else the message that it waits for never comes
    return;
  }
  await assert.rejects(play(vector, role), (error) => {
    assert.ok(error instanceof PqRequiredError);
    assert.equal(error.message, text);
    assert.equal(error.code, "PQ_REQUIRED");
    assert.equal(error.peer, vector.keys[`${other(role)}_static_pk`]);
    assert.match(error.hint!, /SKYWIRE_REQUIRE_PQ/);
    return true;
  });
}

function engineOf(vector: Vector, role: Role) {
  const { keys } = vector;
  const remote = parsePublicKey(keys[`${other(role)}_static_pk`]);
  const options = {
    local: pairOf({ sk: keys[`${role}_static_sk`] }),
    ephemeral: pairOf({ sk: keys[`${role}_ephemeral_sk`] }),
    random: noRandom,
  };
  const isKk = vector.protocol_name.includes("_KK_");
  const handshake = role === "initiator"
    ? (isKk ? kkInitiator : xkInitiator)({ ...options, remote })
    : isKk
    ? kkResponder({ ...options, remote })
    : xkResponder(options);
  return handshake as typeof handshake & Record<string, (bytes: Uint8Array) => Uint8Array>;
}

/** The KEM with the recorded seed and coins; a responder that was made to send a wrong ciphertext sends it. */
function recordedKem({ name, kem, messages }: Vector): Kem {
  return {
    generate() {
      const seed = fromHex(kem.initiator_seed_d_z);
      assert.equal(toHex(kemKeysFromSeed(seed).encapsulationKey), kem.initiator_encapsulation_key);
      return seededKem({ bytes: () => seed }).generate();
    },
    async encapsulate(key) {
      const made = kemEncapsulate(key, fromHex(kem.responder_encapsulation_randomness_m));
      return name.includes("tampered") ? { ...made, ciphertext: fromHex(messages[1]!.payload) } : made;
    },
  };
}

function modeOf({ config }: Vector, role: Role) {
  if (!config[`${role}_pq`]) return "off";
  return config[`${role}_require_pq`] ? "require" : "offer";
}

function other(role: Role): Role {
  return role === "initiator" ? "responder" : "initiator";
}

const NOTHING = new Uint8Array(0);
