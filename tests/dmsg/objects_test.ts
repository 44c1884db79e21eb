import assert from "node:assert/strict";
import fc from "fast-check";
import {
  fromHex,
  InvalidKeyError,
  keyPairFromSeed,
  parsePublicKey,
  type PublicKey,
  toHex,
} from "../../lib/crypto/mod.ts";
import { KNOWN_KEYS_MAX, knownKeyCount, knownPublicKey } from "../../lib/dmsg/_known_keys.ts";
import { type DmsgCode, DmsgError } from "../../lib/dmsg/errors.ts";
import { parseDmsgAddress, renderDmsgAddress } from "../../lib/dmsg/address.ts";
import {
  checkStreamRequest,
  checkStreamResponse,
  decodeStreamRequest,
  decodeStreamResponse,
  encodePeerAnnounce,
  encodeStreamRequest,
  encodeStreamResponse,
  parseSignedObject,
  recognisePeerAnnounce,
  type SignedObject,
  signObject,
  type StreamRequest,
  type StreamResponse,
  verifyObject,
} from "../../lib/dmsg/objects.ts";
import recorded from "../vectors/dmsg/gob-signed-objects.json" with { type: "json" };

type Vector = typeof recorded.vectors[number];
type Fields = { readonly [field: string]: string | number | boolean | undefined };

const seed = (text: string) => keyPairFromSeed(new TextEncoder().encode(text));
const SOURCE = seed("dmsg-vector-client-a");
const DESTINATION = seed("dmsg-vector-client-b");
const SERVER = seed("dmsg-vector-server");

/** The fields of a decoded body in the writing of the vectors, zero ones left out. */
function described(vector: Vector, signed: SignedObject): Fields {
  switch (vector.type) {
    case "StreamRequest": {
      const request = decodeStreamRequest(signed.body);
      return {
        Timestamp: String(request.timestamp),
        SrcAddr: renderDmsgAddress(request.source),
        DstAddr: renderDmsgAddress(request.destination),
        IPinfo: request.ipInfo,
        GeoInfo: request.geoInfo,
        NoiseMsg: toHex(request.noiseMessage),
      };
    }
    case "StreamResponse": {
      const response = decodeStreamResponse(signed.body);
      return {
        ReqHash: toHex(response.requestHash),
        Accepted: response.accepted,
        IP: toHex(response.ip ?? new Uint8Array()),
        GeoCountry: response.geoCountry,
        GeoRegion: response.geoRegion,
        GeoLat: response.geoLatitude,
        GeoLon: response.geoLongitude,
        ErrCode: response.errorCode,
        NoiseMsg: toHex(response.noiseMessage),
      };
    }
    default: {
      const announce = recognisePeerAnnounce(signed, vector.signer_pk as PublicKey)!;
      return { Timestamp: String(announce.timestamp), SrcPK: announce.source };
    }
  }
}

const withoutZeros = (fields: Fields) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value));

/** Our bytes for what `body` says; undefined for the oldest form, which we never write. */
function encodedAnew(vector: Vector, signed: SignedObject): Uint8Array | undefined {
  if (vector.form.startsWith("dmsg v1.3.20")) return undefined;
  const form = vector.form.startsWith("2026") ? "2026" : "2024";
  switch (vector.type) {
    case "StreamRequest":
      return encodeStreamRequest(decodeStreamRequest(signed.body) as StreamRequest, form);
    case "StreamResponse":
      return encodeStreamResponse(decodeStreamResponse(signed.body), form);
    default:
      return encodePeerAnnounce(recognisePeerAnnounce(signed, vector.signer_pk as PublicKey)!);
  }
}

Deno.test("every recorded object: fields, bytes, hash and signature", () => {
  let ran = 0;
  let written = 0;
  for (const vector of recorded.vectors) {
    ran++;
    const signed = parseSignedObject(fromHex(vector.signed_object));
    assert.equal(toHex(signed.signature), vector.sig);
    assert.equal(toHex(signed.body), vector.gob);
    assert.equal(toHex(signed.hash), vector.sha256_of_signed_object);
    assert.ok(verifyObject(signed, parsePublicKey(vector.signer_pk)));
    assert.ok(!verifyObject(signed, seed("nobody").publicKey));
    assert.deepEqual(withoutZeros(described(vector, signed)), withoutZeros(vector.fields), vector.name);
    const anew = encodedAnew(vector, signed);
    if (anew === undefined) continue;
    assert.equal(toHex(anew), vector.gob, vector.name);
    written++;
  }
  assert.equal(ran, 13);
  assert.equal(written, 11);
});

Deno.test("the recorded requests pass every check, and so do the responses to them", () => {
  let requests = 0;
  let responses = 0;
  let request: SignedObject | undefined;
  let destination: PublicKey | undefined;
  for (const vector of recorded.vectors) {
    const signed = parseSignedObject(fromHex(vector.signed_object));
    if (vector.type === "StreamRequest") {
      request = signed;
      destination = checkStreamRequest(signed).destination.publicKey;
      requests++;
    } else if (vector.type === "StreamResponse") {
      const check = () =>
        checkStreamResponse(signed, { request: request!, destination: { publicKey: destination! } });
      if (vector.fields.Accepted) assert.ok(check().accepted);
      else assert.throws(check, { code: "DMSG_306" });
      responses++;
    }
  }
  assert.deepEqual([requests, responses], [5, 7]);
});

/** Message borders of a well-formed body: where each starts, and where the value's starts. */
function valueStart(body: Uint8Array): number {
  for (let at = 0;;) {
    const start = at;
    let length = body[at++]!;
    if (length >= 128) {
      const byteCount = 256 - length;
      length = 0;
      for (let i = 0; i < byteCount; i++) length = length * 256 + body[at++]!;
    }
    if (at + length === body.length) return start;
    at += length;
  }
}

/** Bodies that are refused, each made from a good one; named for the failure message. */
function mutants(body: Uint8Array): Map<string, Uint8Array> {
  const start = valueStart(body);
  const text = toHex(body);
  const replace = (from: string, to: string) => {
    assert.ok(text.includes(from), from);
    return fromHex(text.replace(from, to));
  };
  const definitions = body.subarray(0, start);
  const longer = body.slice();
  longer[0]! += body[0]! < 127 ? 1 : -1;
  const endless = body.slice();
  endless[body.length - 1] = 0x7f;
  const found = new Map([
    ["no definitions", body.subarray(start)],
    ["definitions twice", new Uint8Array([...definitions, ...body])],
    ["no value", definitions],
    ["another length in front", longer],
    ["a field beyond the last", endless],
    ["cut by one", body.subarray(0, -1)],
    ["cut in the middle", body.subarray(0, body.length >> 1)],
    ["first definition for a built-in type", fromHex(text.replace(/^(..|ff..|fe....)(7f|ff..)/, "$105"))],
  ]);
  if (text.includes("0954696d657374616d700104")) {
    found.set("an unsigned timestamp", replace("0954696d657374616d700104", "0954696d657374616d700106"));
    found.set("keys as plain bytes", replace("12ff8306", "12ff8302"));
    found.set(
      "a key that is no point",
      fromHex(text.replace(/0121(02|03)[0-9a-f]{64}/, `0121$1${"f".repeat(64)}`)),
    );
    found.set("a key of zeros", fromHex(text.replace(/0121(02|03)[0-9a-f]{64}/, `0121${"0".repeat(66)}`)));
  } else {
    found.set("a hash of 33 elements by definition", replace("0106014000", "0106014200"));
    found.set(
      "a flag as a text",
      replace("08416363657074656401 02".replace(" ", ""), "084163636570746564010c"),
    );
  }
  return found;
}

Deno.test("mutants of every recorded body are refused with 370", () => {
  let refused = 0;
  for (const vector of recorded.vectors) {
    const bad = mutants(fromHex(vector.gob));
    assert.ok(bad.size >= 10);
    for (const [name, body] of bad) {
      refused++;
      const where = `${vector.name}: ${name}`;
      if (vector.type === "PeerAnnounce") {
        const signed = signObject(body, SERVER.secretKey);
        assert.equal(recognisePeerAnnounce(signed, SERVER.publicKey), undefined, where);
        continue;
      }
      const decode = vector.type === "StreamRequest" ? decodeStreamRequest : decodeStreamResponse;
      assert.throws(() => decode(body), { code: "DMSG_370" }, where);
    }
  }
  assert.equal(refused, 7 * 10 + 6 * 12);
});

Deno.test("a body cut anywhere is refused", () => {
  for (const vector of [recorded.vectors[0]!, recorded.vectors[1]!]) {
    const body = fromHex(vector.gob);
    const decode = vector.type === "StreamRequest" ? decodeStreamRequest : decodeStreamResponse;
    for (let length = 0; length < body.length; length++) {
      assert.throws(() => decode(body.subarray(0, length)), { code: "DMSG_370" });
    }
    const trailing = decode(new Uint8Array([...body, 1, 2, 3]));
    assert.deepEqual(trailing, decode(body), "bytes after the value are ignored, as everywhere");
  }
});

Deno.test("parseSignedObject() refuses objects without a body", () => {
  for (const length of [0, 1, 64, 65]) {
    assert.throws(() => parseSignedObject(new Uint8Array(length)), { code: "DMSG_370" });
  }
  assert.equal(parseSignedObject(new Uint8Array(66)).body.length, 1);
});

const REQUEST: StreamRequest = {
  timestamp: 1729800000123456789n,
  source: { publicKey: SOURCE.publicKey, port: 49_153 },
  destination: { publicKey: DESTINATION.publicKey, port: 80 },
  ipInfo: false,
  geoInfo: false,
  noiseMessage: new Uint8Array(49).fill(0x11),
};

Deno.test("checkStreamRequest() names the first rule that is broken, in the order of the protocol", () => {
  const nobody = undefined as unknown as PublicKey;
  // Each step repairs the first fault; those after it stay.
  const faulty = {
    ...REQUEST,
    source: { publicKey: nobody, port: 0 },
    destination: { publicKey: nobody, port: 0 },
    timestamp: 0n,
  };
  const { source, destination } = REQUEST;
  const steps: readonly (readonly [DmsgCode, StreamRequest])[] = [
    [302, faulty],
    [304, { ...faulty, source: { ...source, port: 0 } }],
    [303, { ...faulty, source }],
    [305, { ...faulty, source, destination: { ...destination, port: 0 } }],
    [301, { ...faulty, source, destination }],
    [301, { ...faulty, source, destination, timestamp: -1n }],
    [300, REQUEST],
  ];
  for (const [code, request] of steps) {
    const signed = signObject(encodeStreamRequest(request), DESTINATION.secretKey); // not the source's
    assert.throws(() => checkStreamRequest(signed), { code: `DMSG_${code}` });
  }
  const good = signObject(encodeStreamRequest(REQUEST), SOURCE.secretKey);
  assert.deepEqual(checkStreamRequest(good), REQUEST);
  const changed = good.bytes.slice();
  changed[changed.length - 2]! ^= 1;
  assert.throws(() => checkStreamRequest(parseSignedObject(changed)), { code: "DMSG_300" });
});

Deno.test("checkStreamResponse() wants the hash, then the destination's signature, then a yes", () => {
  const request = signObject(encodeStreamRequest(REQUEST), SOURCE.secretKey);
  const { destination } = REQUEST;
  const response: StreamResponse = {
    requestHash: request.hash,
    accepted: true,
    errorCode: 0,
    noiseMessage: new Uint8Array(49).fill(0x22),
  };
  const answer = (change: Partial<StreamResponse>, by = DESTINATION) =>
    checkStreamResponse(signObject(encodeStreamResponse({ ...response, ...change }), by.secretKey), {
      request,
      destination,
    });
  assert.deepEqual(answer({}), response);
  const otherHash = { requestHash: new Uint8Array(32), accepted: false };
  assert.throws(() => answer(otherHash, SERVER), { code: "DMSG_351" });
  assert.throws(() => answer({ accepted: false }, SERVER), { code: "DMSG_350" });
  assert.throws(() => answer({ accepted: false }), { code: "DMSG_352" });
  assert.throws(() => answer({ accepted: false, errorCode: 9_999 }), { code: "DMSG_352" });
  assert.throws(() => answer({ accepted: false, errorCode: 306 }), { code: "DMSG_306", temporary: true });
  const garbage = signObject(Uint8Array.of(1, 2, 3), DESTINATION.secretKey);
  assert.throws(() => checkStreamResponse(garbage, { request, destination }), { code: "DMSG_370" });
});

Deno.test("recognisePeerAnnounce() believes only the peer of the session about itself", () => {
  const announce = { timestamp: 5n, source: SERVER.publicKey };
  const body = encodePeerAnnounce(announce);
  assert.deepEqual(recognisePeerAnnounce(signObject(body, SERVER.secretKey), SERVER.publicKey), announce);
  assert.equal(recognisePeerAnnounce(signObject(body, SERVER.secretKey), SOURCE.publicKey), undefined);
  assert.equal(recognisePeerAnnounce(signObject(body, SOURCE.secretKey), SERVER.publicKey), undefined);
  const request = signObject(encodeStreamRequest(REQUEST), SOURCE.secretKey);
  assert.equal(recognisePeerAnnounce(request, SOURCE.publicKey), undefined, "a request is no announcement");
});

Deno.test("an announcement, read as a request by an older server, fails for its source key", () => {
  const body = encodePeerAnnounce({ timestamp: 5n, source: SERVER.publicKey });
  assert.throws(() => checkStreamRequest(signObject(body, SERVER.secretKey)), { code: "DMSG_302" });
});

Deno.test("encoding refuses a hash of another length: that is the caller's bug", () => {
  const response = {
    requestHash: new Uint8Array(31),
    accepted: true,
    errorCode: 0,
    noiseMessage: new Uint8Array(),
  };
  assert.throws(() => encodeStreamResponse(response), RangeError);
});

Deno.test("what is decoded does not change with the buffer that it came in", () => {
  const bytes = fromHex(recorded.vectors[0]!.gob);
  const request = decodeStreamRequest(bytes);
  bytes.fill(0);
  assert.deepEqual(request.source, parseDmsgAddress(recorded.vectors[0]!.fields.SrcAddr!));
  assert.deepEqual(request.noiseMessage, new Uint8Array(49).fill(0x11));
});

Deno.test("keys that were seen are kept up to a bound, and bad ones never", () => {
  const random = (number: number) => {
    const bytes = new Uint8Array(33);
    bytes[0] = 2;
    new DataView(bytes.buffer).setUint32(29, number);
    return bytes;
  };
  let [points, others] = [0, 0];
  for (let number = 1; points <= KNOWN_KEYS_MAX; number++) {
    try {
      assert.equal(knownPublicKey(random(number)), toHex(random(number)));
      points++;
    } catch (error) {
      assert.ok(error instanceof InvalidKeyError);
      assert.throws(() => knownPublicKey(random(number)), InvalidKeyError, "again");
      others++;
    }
  }
  assert.ok(others > 1000, "about every second x is on the curve");
  assert.equal(knownKeyCount(), KNOWN_KEYS_MAX);
  assert.throws(() => knownPublicKey(new Uint8Array(33)), InvalidKeyError);
  assert.throws(() => knownPublicKey(new Uint8Array(32)), InvalidKeyError);
});

Deno.test("any bytes are an object or error 370", () => {
  const good = [recorded.vectors[0]!, recorded.vectors[9]!].map(({ gob }) => fromHex(gob));
  const changed = fc.tuple(fc.constantFrom(...good), fc.nat(10_000), fc.nat(255)).map(([body, at, byte]) => {
    const copy = body.slice();
    copy[at % copy.length] = byte;
    return copy;
  });
  let read = 0;
  let refused = 0;
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), { arbitrary: changed, weight: 3 }), (body) => {
      for (const decode of [decodeStreamRequest, decodeStreamResponse]) {
        try {
          decode(body);
          read++;
        } catch (error) {
          assert.ok(error instanceof DmsgError && error.dmsgCode === 370, String(error));
          refused++;
        }
      }
    }),
    { seed: 1, numRuns: 1000 },
  );
  assert.equal(read + refused, 2000);
  assert.ok(read > 100 && refused > 100, `${read} read, ${refused} refused`);
});
