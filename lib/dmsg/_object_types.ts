/**
 * The gob types of signed objects, in both generations, and how our values map on them (dmsg.md 4.2, 4.3, 6.3).
 *
 * The numbers of types are those that the reference happened to use; readers must not care.
 *
 * @module
 */
import { type PublicKey, publicKeyBytes } from "../crypto/mod.ts";
import {
  type AnyGobType,
  gobBodyWriter,
  gobBool,
  gobByteArray,
  gobBytes,
  gobFloat,
  type GobIds,
  gobInt64,
  gobMarshaler,
  gobStruct,
  gobText,
  gobUint,
  type GobValue,
} from "../wire/gob/mod.ts";
import { knownPublicKey } from "./_known_keys.ts";

/** A key, or undefined for the null key, which is never written. */
export const KEY = gobMarshaler<PublicKey | undefined>({
  name: "PubKey",
  zero: undefined,
  read: knownPublicKey,
  write: (key) => publicKeyBytes(key!),
});
const ADDRESS = gobStruct("Addr", { PK: KEY, Port: gobUint(16) });
const HASH = gobByteArray("SHA256", 32);

export const STREAM_REQUEST_2024 = gobStruct("StreamRequest", {
  Timestamp: gobInt64,
  SrcAddr: ADDRESS,
  DstAddr: ADDRESS,
  IPinfo: gobBool,
  NoiseMsg: gobBytes,
});

export const STREAM_REQUEST = gobStruct("StreamRequest", {
  Timestamp: gobInt64,
  SrcAddr: ADDRESS,
  DstAddr: ADDRESS,
  IPinfo: gobBool,
  GeoInfo: gobBool,
  NoiseMsg: gobBytes,
});

export const STREAM_RESPONSE_2024 = gobStruct("StreamResponse", {
  ReqHash: HASH,
  Accepted: gobBool,
  IP: gobBytes,
  ErrCode: gobUint(16),
  NoiseMsg: gobBytes,
});

export const STREAM_RESPONSE = gobStruct("StreamResponse", {
  ReqHash: HASH,
  Accepted: gobBool,
  IP: gobBytes,
  GeoCountry: gobText,
  GeoRegion: gobText,
  GeoLat: gobFloat,
  GeoLon: gobFloat,
  ErrCode: gobUint(16),
  NoiseMsg: gobBytes,
});

export const PEER_ANNOUNCE = gobStruct("PeerAnnounce", { Timestamp: gobInt64, SrcPK: KEY });

const IDS: GobIds = new Map<AnyGobType, number>([
  [STREAM_REQUEST_2024, 64],
  [ADDRESS, 65],
  [KEY, 66],
  [STREAM_RESPONSE_2024, 67],
  [HASH, 68],
  [STREAM_REQUEST, 71],
  [STREAM_RESPONSE, 72],
  [PEER_ANNOUNCE, 73],
]);

/** Writers of whole bodies, definitions included. */
export const writeBody = {
  streamRequest: gobBodyWriter(STREAM_REQUEST, IDS),
  streamRequest2024: gobBodyWriter(STREAM_REQUEST_2024, IDS),
  streamResponse: gobBodyWriter(STREAM_RESPONSE, IDS),
  streamResponse2024: gobBodyWriter(STREAM_RESPONSE_2024, IDS),
  peerAnnounce: gobBodyWriter(PEER_ANNOUNCE, IDS),
};

export type RawStreamRequest = GobValue<typeof STREAM_REQUEST>;
export type RawStreamResponse = GobValue<typeof STREAM_RESPONSE>;
