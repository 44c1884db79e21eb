/** Gob, signed objects, entries, addresses. @module */
import { fromHex, keyPairFromSeed, parsePublicKey } from "../../../lib/crypto/mod.ts";
import {
  checkStreamRequest,
  checkStreamResponse,
  decodeStreamRequest,
  decodeStreamResponse,
  encodeStreamResponse,
  type Entry,
  parseDmsgAddress,
  parseDmsgUrl,
  parseEntries,
  parseEntry,
  parseServerAddress,
  parseSignedObject,
  parseUncheckedAddress,
  parseUncheckedEntry,
  recognisePeerAnnounce,
  renderDmsgAddress,
  renderDmsgUrl,
  renderEntry,
  signObject,
  verifyEntry,
} from "../../../lib/dmsg/mod.ts";
import { GobDecoder, gobMap, gobSlice, gobStruct, gobText, gobUint } from "../../../lib/wire/gob/mod.ts";
import cipher from "../../vectors/dmsg/cipher.json" with { type: "json" };
import signing from "../../vectors/dmsg/discovery-entry-signing.json" with { type: "json" };
import objects from "../../vectors/dmsg/gob-signed-objects.json" with { type: "json" };
import announcements from "../../vectors/mux/dmsg-peer-announce.json" with { type: "json" };
import { byteMutants, jsonMutants, textMutants } from "../_mutants.ts";
import type { FuzzInput, FuzzTarget } from "../_target.ts";

const gobs = [
  ...objects.vectors.map(({ gob }) => fromHex(gob)),
  ...announcements.vectors.flatMap(({ gob }) => gob === undefined ? [] : [fromHex(gob)]),
];
const signed = [
  ...objects.vectors.map(({ signed_object }) => fromHex(signed_object)),
  ...announcements.vectors.map(({ signed_object }) => fromHex(signed_object)),
];
const entries = signing.vectors.map(({ wire }) => wire);
const key = parsePublicKey(objects.vectors[0]!.signer_pk);
const request = parseSignedObject(signed[0]!);
const responder = keyPairFromSeed(new TextEncoder().encode("responder"));
const responses = (["2024", "2026"] as const).map((form) => {
  const answer = {
    requestHash: request.hash,
    accepted: true,
    errorCode: 0,
    noiseMessage: new Uint8Array(49),
  };
  return signObject(encodeStreamResponse(answer, form), responder.secretKey).bytes;
});
const addresses = cipher.dmsg_addr.map(({ text }) => text);

/** A decoder whose values read the same after they were written. */
function stable<T>(read: (text: string) => T, write: (value: T) => string): (text: string) => T {
  return (text) => {
    const value = read(text);
    const written = write(value);
    if (write(read(written)) !== written) throw new Error(`Written and read again: ${written.slice(0, 500)}`);
    return value;
  };
}

/** Reads every message of a stream, as a side of a net/rpc conversation does. */
function readGobStream(bytes: Uint8Array): unknown[] {
  const decoder = new GobDecoder();
  const table = gobStruct("Table", {
    Names: gobSlice("[]string", gobText),
    Ports: gobMap("map", gobText, gobUint(16)),
  });
  const values: unknown[] = [];
  for (let offset = 0; offset < bytes.length;) {
    const length = bytes[offset++]!;
    const message = bytes.subarray(offset, offset + length);
    offset += length;
    if (!decoder.accept(message)) continue;
    decoder.skip(message);
    if (values.length < 100) values.push(decoder.value(message, table));
  }
  return values;
}

const text = (name: string, seeds: readonly string[], feed: (text: string) => unknown): FuzzTarget => ({
  name,
  inputs: textMutants(seeds),
  feed,
});
const bytes = (
  name: string,
  seeds: readonly Uint8Array[],
  feed: (bytes: Uint8Array) => unknown,
): FuzzTarget => ({
  name,
  inputs: byteMutants(seeds),
  feed: feed as (input: FuzzInput) => unknown,
});

export const dmsgTargets: readonly FuzzTarget[] = [
  bytes("gob/stream-request", gobs, decodeStreamRequest),
  bytes("gob/stream-response", gobs, decodeStreamResponse),
  bytes("gob/conversation", gobs, readGobStream),
  bytes("dmsg/signed-request", signed, (object) => checkStreamRequest(parseSignedObject(object))),
  bytes(
    "dmsg/signed-response",
    [...responses, ...signed],
    (object) => checkStreamResponse(parseSignedObject(object), { request, destination: responder }),
  ),
  bytes(
    "dmsg/peer-announce",
    announcements.vectors.map(({ signed_object }) => fromHex(signed_object)),
    (object) =>
      recognisePeerAnnounce(
        parseSignedObject(object),
        parsePublicKey(announcements.vectors[0]!.session_remote_pk),
      ),
  ),
  {
    name: "dmsg/entry",
    inputs: jsonMutants(entries),
    feed: stable((entry: string): Entry => {
      const parsed = parseEntry(entry);
      verifyEntry(parsed);
      return parsed;
    }, renderEntry),
  },
  { name: "dmsg/posted-entry", inputs: jsonMutants(entries), feed: stable(parseUncheckedEntry, renderEntry) },
  {
    name: "dmsg/entry-list",
    inputs: jsonMutants([`[${entries.join(",")}]`, `[${entries[0]}]`, "[]", "null"]),
    feed: parseEntries,
  },
  text("dmsg/address", addresses, stable(parseDmsgAddress, renderDmsgAddress)),
  text("dmsg/unchecked-address", addresses, stable(parseUncheckedAddress, renderDmsgAddress)),
  text(
    "dmsg/url",
    [`dmsg://${key}:80/path?query#part`, `http://${key}/`, `dmsg://${key}:~`, `DMSG://${key}:0x50`],
    stable(parseDmsgUrl, renderDmsgUrl),
  ),
  text(
    "dmsg/server-address",
    ["127.0.0.1:8081", "[::1]:80", "[2001:db8::ffff:1.2.3.4]:65535", "server.example:1"],
    parseServerAddress,
  ),
];
