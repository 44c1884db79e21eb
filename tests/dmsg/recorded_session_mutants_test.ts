/** The recorded exchanges, each changed in ways that must be refused: by relay, responder, initiator and handshake. */
import assert from "node:assert/strict";
import {
  describeError,
  LimitError,
  MalformedError,
  SkyError,
  TimedOutError,
  TruncatedError,
} from "../../lib/base/mod.ts";
import { AuthenticationError, fromHex, type KeyPair, type PublicKey, toHex } from "../../lib/crypto/mod.ts";
import { initiateStream } from "../../lib/dmsg/_initiate.ts";
import {
  acceptSession,
  checkStreamRequest,
  connectSession,
  decodeStreamRequest,
  decodeStreamResponse,
  DmsgError,
  encodeStreamRequest,
  encodeStreamResponse,
  parseSignedObject,
  type Session,
  type SignedObject,
  signObject,
  type StreamRequest,
  type StreamResponse,
} from "../../lib/dmsg/mod.ts";
import {
  HandshakeError,
  kkInitiator,
  kkResponder,
  type ObjectOpener,
  ObjectSealer,
  ReplayError,
} from "../../lib/noise/mod.ts";
import { ConnReader } from "../../lib/wire/mod.ts";
import type { YamuxStream } from "../../lib/yamux/mod.ts";
import {
  bytesOf,
  concat,
  keyOf,
  NO_OFFER,
  type Party,
  recordedRandom,
  type RecordedStream,
  splitHandshake,
  statics,
  streamsOf,
} from "./_recording.ts";
import { type Joined, mallory, NULL_KEY, type SessionRig, withRig } from "./_session_rig.ts";
import { widePair } from "./_wires.ts";

/** How one mutant is put on the wire, and what it must be refused with. */
interface Mutant {
  readonly name: string;
  /** The bytes of the mux stream, made by the sending session. */
  readonly wire: (from: Session) => Uint8Array;
  readonly refusal: Refusal;
  /** True: the sender ends its half behind the bytes. */
  readonly isEnded?: boolean;
  /** The refusal comes with the time-out only. */
  readonly isSlow?: boolean;
}

/** A number of dmsg, or a class of error. */
type Refusal = number | (new (...parts: never[]) => SkyError);

function codeOf(error: unknown): number | string {
  return error instanceof DmsgError ? error.dmsgCode : error instanceof Error ? error.constructor.name : "?";
}

/** Ways to spoil any sealed object, whatever is in it. */
function sealMutants(object: SignedObject): Mutant[] {
  const flip = (at: number) => {
    const bytes = object.bytes.slice();
    bytes[at]! ^= 1;
    return bytes;
  };
  return [
    {
      name: "sealed with another key",
      wire: (from) => {
        const sealed = new ObjectSealer(new Uint8Array(32)).seal(object.bytes);
        sealed.set(from.sealer.seal(object.bytes).subarray(2, 10), 2); // a counter that is fresh
        return sealed;
      },
      refusal: AuthenticationError,
    },
    {
      name: "a byte flipped after sealing",
      wire: (from) => {
        const sealed = from.sealer.seal(object.bytes);
        sealed[40]! ^= 1;
        return sealed;
      },
      refusal: AuthenticationError,
    },
    {
      name: "counter 0",
      wire: (from) => from.sealer.seal(object.bytes).fill(0, 2, 10),
      refusal: ReplayError,
    },
    {
      name: "counter beyond 2^53",
      wire: (from) => from.sealer.seal(object.bytes).fill(255, 2, 10),
      refusal: LimitError,
    },
    {
      name: "cut",
      wire: (from) => from.sealer.seal(object.bytes).subarray(0, -1),
      isEnded: true,
      refusal: TruncatedError,
    },
    {
      name: "a length beyond the rest",
      wire: (from) => {
        const sealed = from.sealer.seal(object.bytes);
        sealed[0]!++;
        return sealed;
      },
      isEnded: true,
      refusal: TruncatedError,
    },
    {
      name: "a length beyond the rest, and silence",
      wire: (from) => {
        const sealed = from.sealer.seal(object.bytes);
        sealed[0]!++;
        return sealed;
      },
      isSlow: true,
      refusal: TimedOutError,
    },
    {
      name: "too short for counter, tag and a byte",
      wire: () => concat([Uint8Array.of(0, 24), new Uint8Array(24)]),
      refusal: MalformedError,
    },
    { name: "nothing but an end", wire: () => new Uint8Array(0), isEnded: true, refusal: TruncatedError },
    {
      name: "a signature without a body",
      wire: (from) => from.sealer.seal(object.bytes.subarray(0, 65)),
      refusal: 370,
    },
    {
      name: "a body cut short",
      wire: (from) => from.sealer.seal(object.bytes.subarray(0, -3)),
      refusal: 370,
    },
    { name: "a body of zeros", wire: (from) => from.sealer.seal(new Uint8Array(200)), refusal: 370 },
    { name: "a flipped length in the gob", wire: (from) => from.sealer.seal(flip(65)), refusal: 370 },
  ];
}

/** A recorded request, changed and, unless the signature is the change, signed anew. */
function requestMutants(recorded: SignedObject, signer: KeyPair): Mutant[] {
  const request = decodeStreamRequest(recorded.body) as StreamRequest;
  const changed = (changes: Partial<StreamRequest>, by: KeyPair = signer) => (from: Session) =>
    from.sealer.seal(
      signObject(encodeStreamRequest({ ...request, ...changes }, "2024"), by.secretKey).bytes,
    );
  const { source, destination } = request;
  return [
    { name: "a flipped signature", wire: (from) => from.sealer.seal(flipped(recorded, 3)), refusal: 300 },
    { name: "signed by another", wire: changed({}, mallory), refusal: 300 },
    {
      name: "a null source key",
      wire: changed({ source: { ...source, publicKey: NULL_KEY } }),
      refusal: 302,
    },
    { name: "source port 0", wire: changed({ source: { ...source, port: 0 } }), refusal: 304 },
    {
      name: "a null destination key",
      wire: changed({ destination: { ...destination, publicKey: NULL_KEY } }),
      refusal: 303,
    },
    { name: "destination port 0", wire: changed({ destination: { ...destination, port: 0 } }), refusal: 305 },
    { name: "time 0", wire: changed({ timestamp: 0n }), refusal: 301 },
    { name: "a time before 1970", wire: changed({ timestamp: -1n }), refusal: 301 },
  ];
}

/** Mutants of a response, made from the honest one. */
function responseMutants(honest: SignedObject, signer: KeyPair): Mutant[] {
  const response = decodeStreamResponse(honest.body);
  const changed = (changes: Partial<StreamResponse>, by: KeyPair = signer) => (from: Session) =>
    from.sealer.seal(
      signObject(encodeStreamResponse({ ...response, ...changes }, "2024"), by.secretKey).bytes,
    );
  return [
    { name: "a flipped signature", wire: (from) => from.sealer.seal(flipped(honest, 3)), refusal: 350 },
    { name: "signed by another", wire: changed({}, mallory), refusal: 350 },
    {
      name: "the hash of another request",
      wire: changed({ requestHash: new Uint8Array(32).fill(7) }),
      refusal: 351,
    },
    { name: "not accepted, no reason", wire: changed({ accepted: false }), refusal: 352 },
    { name: "not accepted, 306", wire: changed({ accepted: false, errorCode: 306 }), refusal: 306 },
    {
      name: "not accepted, an unknown reason",
      wire: changed({ accepted: false, errorCode: 9 }),
      refusal: 352,
    },
    { name: "a liveness marker", wire: () => Uint8Array.of(0, 0), refusal: 370 },
  ];
}

function flipped(object: SignedObject, at: number): Uint8Array {
  const bytes = object.bytes.slice();
  bytes[at]! ^= 1;
  return bytes;
}

function recordedRequest({ request }: RecordedStream): SignedObject {
  return parseSignedObject(fromHex(request.signed_object));
}

/** Sends a mutant on `stream`. */
async function send(rig: SessionRig, stream: YamuxStream, from: Session, mutant: Mutant): Promise<void> {
  await stream.write(mutant.wire(from));
  if (mutant.isEnded) await stream.closeWrite();
  await rig.settle();
}

async function readSigned(stream: YamuxStream, opener: ObjectOpener): Promise<SignedObject> {
  const reader = new ConnReader(stream);
  const [high, low] = await reader.readExactly(2);
  return parseSignedObject(opener.open(await reader.readExactly((high! << 8) | low!)));
}

function assertRefusal(cause: string, { refusal, name }: Mutant): void {
  const wanted = typeof refusal === "number" ? `dmsg error ${refusal} - ` : CAUSE_TEXTS.get(refusal)!;
  assert.ok(cause.includes(wanted), `${name}: ${cause}`);
}

/** How the errors read in a log. */
const CAUSE_TEXTS = new Map<Refusal, string>([
  [AuthenticationError, "authentic"],
  [ReplayError, "Message counter"],
  [LimitError, "ounter"],
  [TruncatedError, "Connection ended inside"],
  [TimedOutError, "did not finish within"],
  [MalformedError, "too short"],
]);

/** A stream from A to B through our relay, with bytes going both ways: it must outlive every mutant. */
async function bridged(rig: SessionRig, a: Joined, b: Joined) {
  const near = a.client.mux.open();
  const [, echo] = streamsOf("a");
  const request = recordedRequest(echo!);
  await near.write(a.client.sealer.seal(request.bytes));
  await rig.settle();
  const far = b.incoming.shift()!;
  assert.equal(toHex((await readSigned(far, b.client.opener)).bytes), toHex(request.bytes));
  await far.write(b.client.sealer.seal(fromHex(echo!.response!.signed_object)));
  await rig.settle();
  assert.equal(toHex((await readSigned(near, a.client.opener)).bytes), echo!.response!.signed_object);
  const exchange = async (from: YamuxStream, to: YamuxStream, byte: number) => {
    await from.write(Uint8Array.of(byte));
    assert.deepEqual([...(await to.read())!], [byte]);
  };
  let count = 0;
  return async function assertAlive() {
    await exchange(near, far, ++count & 255);
    await exchange(far, near, ++count & 255);
    assert.equal(a.client.isLive && a.server.isLive && b.client.isLive && b.server.isLive, true);
    assert.deepEqual([a.server.mux.streamCount, b.server.mux.streamCount], [1, 1], "no other stream is left");
  };
}

Deno.test("the relay refuses mutants of every recorded request, and nothing else ends", async () => {
  let mutants = 0;
  for (const recorded of streamsOf("a")) {
    await withRig(async (rig) => {
      const [a, b] = [await rig.attach(statics.a), await rig.attach(statics.b)];
      const assertAlive = await bridged(rig, a, b);
      const object = recordedRequest(recorded);
      const request = checkStreamRequest(object);
      const foreign = (source: KeyPair) => (from: Session) =>
        from.sealer.seal(
          signObject(
            encodeStreamRequest({ ...request, source: { ...request.source, publicKey: source.publicKey } }),
            source.secretKey,
          ).bytes,
        );
      const own = (changes: Partial<StreamRequest>) => (from: Session) =>
        from.sealer.seal(
          signObject(encodeStreamRequest({ ...request, ...changes }), statics.a.secretKey).bytes,
        );
      const unknown = { publicKey: mallory.publicKey, port: 1 };
      const all: Mutant[] = [
        ...sealMutants(object),
        ...requestMutants(object, statics.a),
        { name: "a key that is not the session's", wire: foreign(mallory), refusal: 302 },
        { name: "the key of another session", wire: foreign(statics.b), refusal: 302 },
        { name: "an unknown destination", wire: own({ destination: unknown, ipInfo: false }), refusal: 307 },
        {
          name: "a look-up at another key",
          wire: own({ destination: { publicKey: keyOf("b"), port: 1 }, ipInfo: true }),
          refusal: 303,
        },
      ];
      const replayed = a.client.sealer.seal(new Uint8Array(100));
      for (const [times, refusal] of [[1, 370], [2, ReplayError]] as const) {
        all.push({ name: `the same sealed bytes, time ${times}`, wire: () => replayed, refusal });
      }
      for (const mutant of all) {
        const stream = a.client.mux.open();
        await send(rig, stream, a.client, mutant);
        if (mutant.isSlow) await rig.clock.advance(5_000);
        const outcome = await rig.outcome(stream);
        assert.equal(outcome.bytes.length, 0, mutant.name);
        stream.close();
        assertRefusal(rig.takeCause(), mutant);
        assert.equal(b.incoming.length, 0, `${mutant.name} reaches nobody`);
        await rig.settle();
        await assertAlive();
        mutants++;
      }
      const stream = a.client.mux.open();
      await stream.write(a.client.sealer.seal(object.bytes));
      await rig.settle();
      if (request.ipInfo) assert.equal((await rig.outcome(stream)).end, "end");
      else assert.equal(b.incoming.length, 1, "the recorded request itself is forwarded");
      stream.close();
    });
  }
  assert.equal(mutants, 5 * (13 + 8 + 4 + 2));
});

Deno.test("the relay refuses mutants of every recorded response, and nothing else ends", async () => {
  let mutants = 0;
  for (
    const recorded of streamsOf("a").filter(({ response, request }) => response && !request.fields.IPinfo)
  ) {
    await withRig(async (rig) => {
      const [a, b] = [await rig.attach(statics.a), await rig.attach(statics.b)];
      const assertAlive = await bridged(rig, a, b);
      const object = recordedRequest(recorded);
      const honest = parseSignedObject(fromHex(recorded.response!.signed_object));
      for (const mutant of [...sealMutants(honest), ...responseMutants(honest, statics.b)]) {
        const near = a.client.mux.open();
        await near.write(a.client.sealer.seal(object.bytes));
        await rig.settle();
        const far = b.incoming.shift()!;
        assert.equal(toHex((await readSigned(far, b.client.opener)).bytes), toHex(object.bytes));
        await send(rig, far, b.client, mutant);
        if (mutant.isSlow) await rig.clock.advance(10_000);
        assert.equal((await rig.outcome(near)).bytes.length, 0, mutant.name);
        assert.equal((await rig.outcome(far)).bytes.length, 0, mutant.name);
        near.close();
        far.close();
        assertRefusal(rig.takeCause(), mutant);
        await rig.settle();
        await assertAlive();
        mutants++;
      }
    });
  }
  assert.equal(mutants, 3 * (13 + 7));
});

Deno.test("the responder refuses mutants of every recorded request, and its session lives on", async () => {
  let mutants = 0;
  for (const recorded of streamsOf("b")) {
    await withRig(async (rig) => {
      const b = await rig.serve(statics.b);
      const object = recordedRequest(recorded);
      const request = checkStreamRequest(object);
      const listener = rig.listen(request.destination.port);
      const own = (changes: Partial<StreamRequest>) => (from: Session) =>
        from.sealer.seal(
          signObject(encodeStreamRequest({ ...request, ...changes }), statics.a.secretKey).bytes,
        );
      const otherKk = kkInitiator({ local: mallory, remote: keyOf("b"), random: rig.random }).writeMessage1();
      const wrongKk = kkInitiator({ local: statics.a, remote: mallory.publicKey, random: rig.random });
      const all: Mutant[] = [
        ...sealMutants(object),
        ...requestMutants(object, statics.a),
        {
          name: "another destination",
          wire: own({ destination: { ...request.destination, publicKey: mallory.publicKey } }),
          refusal: 303,
        },
        {
          name: "a port where nobody listens",
          wire: own({ destination: { publicKey: keyOf("b"), port: 2 } }),
          refusal: 306,
        },
        {
          name: "a KK message of another key",
          wire: own({ noiseMessage: otherKk }),
          refusal: HandshakeError,
        },
        {
          name: "a KK message to another key",
          wire: own({ noiseMessage: wrongKk.writeMessage1() }),
          refusal: HandshakeError,
        },
        { name: "no KK message", wire: own({ noiseMessage: new Uint8Array(0) }), refusal: HandshakeError },
        {
          name: "a look-up",
          wire: own({ ipInfo: true, noiseMessage: new Uint8Array(0) }),
          refusal: HandshakeError,
        },
      ];
      for (const mutant of all) {
        const stream = b.server.mux.open();
        await send(rig, stream, b.server, mutant);
        if (mutant.isSlow) await rig.clock.advance(5_000);
        assert.equal((await rig.outcome(stream)).bytes.length, 0, `${mutant.name} is answered with nothing`);
        stream.close();
        const cause = rig.takeCause();
        if (mutant.refusal !== HandshakeError) assertRefusal(cause, mutant);
        else assert.match(cause, /handshake|message/i, mutant.name);
        await rig.settle();
        assert.equal(b.client.isLive && b.server.isLive, true, mutant.name);
        assert.deepEqual([b.client.mux.streamCount, rig.working], [0, 0], mutant.name);
        mutants++;
      }
      const stream = b.server.mux.open();
      await stream.write(b.server.sealer.seal(object.bytes));
      await rig.settle();
      const answer = decodeStreamResponse((await readSigned(stream, b.server.opener)).body);
      assert.equal(answer.accepted, true, "the recorded request itself is answered");
      const accepted = await listener.accept();
      assert.equal(accepted!.remote.publicKey, keyOf("a"));
      accepted!.close();
      stream.close();
    });
  }
  assert.equal(mutants, 4 * (13 + 8 + 6));
});

Deno.test("the initiator refuses mutants of every answer, and its session lives on", async () => {
  let mutants = 0;
  for (
    const recorded of streamsOf("a").filter(({ response, request }) => response && !request.fields.IPinfo)
  ) {
    await withRig(async (rig) => {
      const a = await rig.serve(statics.a);
      const destination = {
        publicKey: keyOf("b"),
        port: Number(recorded.request.fields.DstAddr!.Port),
      };
      /** Dials; the request that came of it, and the honest answer. */
      const dial = async () => {
        const dialling = initiateStream(a.client, {
          world: rig.world,
          local: statics.a,
          source: { publicKey: keyOf("a"), port: 49_153 },
          destination,
        });
        const outcome = dialling.then(() => undefined, (error: unknown) => error);
        await rig.settle();
        const stream = a.incoming.shift()!;
        const signed = await readSigned(stream, a.server.opener);
        const request = checkStreamRequest(signed);
        const answer = (responder: KeyPair, remote: PublicKey) => {
          const kk = kkResponder({ local: responder, remote, random: rig.random });
          try {
            kk.readMessage1(request.noiseMessage);
            return kk.writeMessage2();
          } catch {
            // Message 1 is for B only: another party can but answer to a message of its own.
            const other = kkInitiator({ local: mallory, remote: responder.publicKey, random: rig.random });
            const again = kkResponder({ local: responder, remote: mallory.publicKey, random: rig.random });
            again.readMessage1(other.writeMessage1());
            return again.writeMessage2();
          }
        };
        const honest = (noiseMessage: Uint8Array) =>
          signObject(
            encodeStreamResponse({ requestHash: signed.hash, accepted: true, errorCode: 0, noiseMessage }),
            statics.b.secretKey,
          );
        return { dialling, outcome, stream, answer, honest };
      };
      const first = await dial();
      const names = [
        ...sealMutants(first.honest(first.answer(statics.b, keyOf("a")))),
        ...responseMutants(first.honest(first.answer(statics.b, keyOf("a"))), statics.b),
      ].map(({ name }) => name);
      await first.stream.write(a.server.sealer.seal(first.honest(first.answer(statics.b, keyOf("a"))).bytes));
      await rig.settle();
      const { conn } = await first.dialling; // stays open: it must outlive every mutant

      const check = async (mutantOf: (dialled: Awaited<ReturnType<typeof dial>>) => Mutant) => {
        const dialled = await dial();
        const mutant = mutantOf(dialled);
        await send(rig, dialled.stream, a.server, mutant);
        if (mutant.isSlow) await rig.clock.advance(5_000);
        const error = await dialled.outcome;
        assert.ok(error instanceof SkyError, `${mutant.name}: ${describeError(error)}`);
        if (typeof mutant.refusal === "number") assert.equal(codeOf(error), mutant.refusal, mutant.name);
        else assert.ok(error instanceof mutant.refusal, `${mutant.name}: ${describeError(error)}`);
        dialled.stream.close();
        await rig.settle();
        assert.equal(a.client.isLive && a.server.isLive, true, mutant.name);
        assert.equal(a.client.mux.streamCount, 1, `${mutant.name}: only the first stream is left`);
        mutants++;
      };
      for (const index of names.keys()) {
        await check(({ honest, answer }) => {
          const response = honest(answer(statics.b, keyOf("a")));
          return [...sealMutants(response), ...responseMutants(response, statics.b)][index]!;
        });
      }
      await check(({ honest, answer }) => ({
        name: "a KK message of another handshake",
        wire: (from) => from.sealer.seal(honest(answer(mallory, keyOf("a"))).bytes),
        refusal: HandshakeError,
      }));
      await check(({ honest }) => ({
        name: "the recorded KK message, for another ephemeral key",
        wire: (from) => from.sealer.seal(honest(fromHex(recorded.response!.fields.NoiseMsg!)).bytes),
        refusal: HandshakeError,
      }));
      await check(({ honest }) => ({
        name: "no KK message",
        wire: (from) => from.sealer.seal(honest(new Uint8Array(0)).bytes),
        refusal: HandshakeError,
      }));
      await check(() => ({
        name: "the recorded answer to the recorded request",
        wire: (from) => from.sealer.seal(fromHex(recorded.response!.signed_object)),
        refusal: 351,
      }));
      conn.close();
      first.stream.close();
    });
  }
  assert.equal(mutants, 3 * (13 + 7 + 4));
});

/** The three handshake messages of one recorded session, with their lengths. */
function handshakeOf(party: Party): Uint8Array[] {
  const [ofClient, ofServer] = (["c2s", "s2c"] as const).map((direction) =>
    splitHandshake(bytesOf(party, direction), direction).messages
  );
  return [ofClient![0]!, ofServer![0]!, ofClient![1]!];
}

/** Changed messages: bytes on the wire, and the class of what they are refused with. */
function messageMutants(message: Uint8Array, other: Uint8Array) {
  const flip = (at: number) => {
    const bytes = message.slice();
    bytes[at]! ^= 1;
    return bytes;
  };
  return [
    { name: "the sign of its first key", bytes: flip(2), refusal: HandshakeError },
    { name: "its first key", bytes: flip(20), refusal: HandshakeError },
    { name: "its tag", bytes: flip(message.length - 1), refusal: HandshakeError },
    { name: "the message of another session", bytes: other, refusal: HandshakeError },
    {
      name: "one byte short",
      bytes: concat([Uint8Array.of(0, message.length - 3), message.subarray(2, -1)]),
      refusal: HandshakeError,
    },
    { name: "empty", bytes: Uint8Array.of(0, 0), refusal: HandshakeError },
    { name: "a length above 4094", bytes: Uint8Array.of(0x0f, 0xff), refusal: LimitError },
    { name: "cut", bytes: message.subarray(0, -1), refusal: TruncatedError },
  ];
}

Deno.test("mutants of every recorded session handshake are refused, in both roles", async () => {
  let mutants = 0;
  for (const party of ["a", "b"] as const) {
    const messages = handshakeOf(party);
    const others = handshakeOf(party === "a" ? "b" : "a");
    for (const [index, message] of messages.entries()) {
      for (const mutant of messageMutants(message, others[index]!)) {
        // Message 1 says nothing of a session: any recorded one is good, and only a party that answers it knows.
        if (index === 0 && mutant.bytes === others[0]) continue;
        await withRig(async (rig) => {
          const [near, far] = widePair(rig.ledger);
          const isOurs = index === 1 ? "client" : "server";
          const random = isOurs === "client" ? recordedRandom(party) : recordedRandom("server");
          if (isOurs === "server" && party === "a") random.bytes(32); // B's came first
          const options = {
            world: { ...rig.world, random },
            log: rig.log,
            local: statics[isOurs === "client" ? party : "server"],
            postQuantum: NO_OFFER,
            onStream: () => assert.fail("no session, no stream"),
          };
          const at = { hostname: "127.0.0.1", port: 1 };
          const session = isOurs === "client"
            ? connectSession(near, at, keyOf("server"), options)
            : acceptSession(near, at, options);
          const outcome = session.then(() => undefined, (error: unknown) => error);
          if (index === 2) await far.write(messages[0]!);
          await far.write(mutant.bytes);
          if (mutant.refusal === TruncatedError) await far.closeWrite();
          await rig.settle();
          const error = await outcome;
          assert.ok(
            error instanceof mutant.refusal,
            `${party}'s message ${index + 1}, ${mutant.name}: ${describeError(error)}`,
          );
          await near.closed;
          far.close();
          mutants++;
        });
      }
    }
  }
  assert.equal(mutants, 2 * (7 + 8 + 8));
});

Deno.test("a recorded client that meets a server of another key is refused, in both roles", () =>
  withRig(async (rig) => {
    const [first, second] = handshakeOf("a");
    const options = {
      log: rig.log,
      postQuantum: NO_OFFER,
      onStream: () => assert.fail("no session, no stream"),
    };
    const at = { hostname: "127.0.0.1", port: 1 };
    const [near, far] = widePair(rig.ledger);
    const accepting = acceptSession(near, at, { ...options, world: rig.world, local: mallory });
    await far.write(first!);
    await assert.rejects(accepting, HandshakeError);
    far.close();
    const [left, right] = widePair(rig.ledger);
    const world = { ...rig.world, random: recordedRandom("a") };
    const connecting = connectSession(left, at, mallory.publicKey, { ...options, world, local: statics.a });
    await right.write(second!);
    await assert.rejects(connecting, HandshakeError);
    right.close();
  }));
