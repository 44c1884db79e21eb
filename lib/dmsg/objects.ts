/**
 * What is said before a stream: a request, a response, and a server's announcement as a peer.
 *
 * `encodeX` and `decodeX` know the bytes; `checkX` also decides whether to believe them, in the order of the
 * protocol, each refusal with its number. Source: dmsg.md 4.2, 4.3; peer-announce.md 2, 3.
 *
 * @module
 */
import { LimitError, MalformedError } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import { type AnyGobType, decodeGob, type GobValue } from "../wire/gob/mod.ts";
import { equalBytes } from "./_bytes.ts";
import {
  PEER_ANNOUNCE,
  type RawStreamRequest,
  type RawStreamResponse,
  STREAM_REQUEST,
  STREAM_RESPONSE,
  writeBody,
} from "./_object_types.ts";
import type { DmsgAddress, UncheckedAddress } from "./address.ts";
import { DmsgError, isDmsgCode } from "./errors.ts";
import type { SignedObject } from "./signed_object.ts";

export * from "./signed_object.ts";

/** Asks for a stream, or for the caller's own address as a server sees it. */
export interface StreamRequest {
  /** Unix time in nanoseconds, i64. */
  readonly timestamp: bigint;
  readonly source: DmsgAddress;
  readonly destination: DmsgAddress;
  /** True for an IP lookup: the server answers itself. */
  readonly ipInfo: boolean;
  /** True when the lookup also asks where that is. Not known to peers of 2024. */
  readonly geoInfo?: boolean;
  /** KK message 1; empty for an IP lookup. */
  readonly noiseMessage: Uint8Array;
}

/** A request as decoded: either address may lack its key. */
export type UncheckedStreamRequest =
  & Omit<StreamRequest, "source" | "destination">
  & { readonly source: UncheckedAddress; readonly destination: UncheckedAddress };

/** Answers a request or an announcement. */
export interface StreamResponse {
  /** Hash of the signed request as it was received, 32 bytes. */
  readonly requestHash: Uint8Array;
  readonly accepted: boolean;
  /** Why not, as a number of the table of errors; 0 for no reason. */
  readonly errorCode: number;
  /** KK message 2. */
  readonly noiseMessage: Uint8Array;
  /** IP lookup: the caller's address, 4 or 16 bytes. */
  readonly ip?: Uint8Array;
  readonly geoCountry?: string;
  readonly geoRegion?: string;
  readonly geoLatitude?: number;
  readonly geoLongitude?: number;
}

/** A server's wish to be used as a peer, over a session of its own. */
export interface PeerAnnounce {
  /** Unix time in nanoseconds, i64. */
  readonly timestamp: bigint;
  readonly source: PublicKey;
}

/** Which fields are written. Everybody reads both; 2024 is for tests and for the smallest bytes. */
export type ObjectForm = "2024" | "2026";

/** The body of a request, ready to be signed. */
export function encodeStreamRequest(request: StreamRequest, form: ObjectForm = "2026"): Uint8Array {
  const raw: RawStreamRequest = {
    Timestamp: request.timestamp,
    SrcAddr: { PK: request.source.publicKey, Port: request.source.port },
    DstAddr: { PK: request.destination.publicKey, Port: request.destination.port },
    IPinfo: request.ipInfo,
    GeoInfo: request.geoInfo ?? false,
    NoiseMsg: request.noiseMessage,
  };
  return form === "2024" ? writeBody.streamRequest2024(raw) : writeBody.streamRequest(raw);
}

/** Reads a body. Error 370 when it is no gob of a request. */
export function decodeStreamRequest(body: Uint8Array): UncheckedStreamRequest {
  const raw = decodeBody(body, STREAM_REQUEST);
  return {
    timestamp: raw.Timestamp,
    source: { publicKey: raw.SrcAddr.PK, port: raw.SrcAddr.Port },
    destination: { publicKey: raw.DstAddr.PK, port: raw.DstAddr.Port },
    ipInfo: raw.IPinfo,
    geoInfo: raw.GeoInfo,
    noiseMessage: raw.NoiseMsg,
  };
}

/** Reads a request and holds it against every rule. Errors: 370, 302, 304, 303, 305, 301, 300, in this order. */
export function checkStreamRequest(signed: SignedObject): StreamRequest {
  const { source, destination, ...rest } = decodeStreamRequest(signed.body);
  if (source.publicKey === undefined) throw new DmsgError(302);
  if (source.port === 0) throw new DmsgError(304);
  if (destination.publicKey === undefined) throw new DmsgError(303);
  if (destination.port === 0) throw new DmsgError(305);
  if (rest.timestamp <= 0n) throw new DmsgError(301);
  if (!signed.isSignedBy(source.publicKey)) throw new DmsgError(300);
  return {
    source: { publicKey: source.publicKey, port: source.port },
    destination: { publicKey: destination.publicKey, port: destination.port },
    ...rest,
  };
}

/** The body of a response, ready to be signed. Errors: `RangeError` for a hash of another length. */
export function encodeStreamResponse(response: StreamResponse, form: ObjectForm = "2026"): Uint8Array {
  const raw: RawStreamResponse = {
    ReqHash: response.requestHash,
    Accepted: response.accepted,
    IP: response.ip ?? NO_BYTES,
    GeoCountry: response.geoCountry ?? "",
    GeoRegion: response.geoRegion ?? "",
    GeoLat: response.geoLatitude ?? 0,
    GeoLon: response.geoLongitude ?? 0,
    ErrCode: response.errorCode,
    NoiseMsg: response.noiseMessage,
  };
  return form === "2024" ? writeBody.streamResponse2024(raw) : writeBody.streamResponse(raw);
}

/** Reads a body. Error 370 when it is no gob of a response. */
export function decodeStreamResponse(body: Uint8Array): StreamResponse {
  const raw = decodeBody(body, STREAM_RESPONSE);
  return {
    requestHash: raw.ReqHash,
    accepted: raw.Accepted,
    errorCode: raw.ErrCode,
    noiseMessage: raw.NoiseMsg,
    ...(raw.IP.length > 0 && { ip: raw.IP }),
    ...(raw.GeoCountry !== "" && { geoCountry: raw.GeoCountry }),
    ...(raw.GeoRegion !== "" && { geoRegion: raw.GeoRegion }),
    ...(raw.GeoLat !== 0 && { geoLatitude: raw.GeoLat }),
    ...(raw.GeoLon !== 0 && { geoLongitude: raw.GeoLon }),
  };
}

/**
 * Reads the response to `request` by the holder of `destination` and holds it against every rule.
 * Errors: 370, 351, 350, then what the refusal says, or 352 when it says nothing that is known.
 */
export function checkStreamResponse(
  signed: SignedObject,
  { request, destination }: {
    readonly request: Pick<SignedObject, "hash">;
    readonly destination: Pick<DmsgAddress, "publicKey">;
  },
): StreamResponse {
  const response = decodeStreamResponse(signed.body);
  if (!equalBytes(response.requestHash, request.hash)) throw new DmsgError(351);
  if (!signed.isSignedBy(destination.publicKey)) throw new DmsgError(350);
  if (!response.accepted) throw new DmsgError(isDmsgCode(response.errorCode) ? response.errorCode : 352);
  return response;
}

/** The body of an announcement, ready to be signed. */
export function encodePeerAnnounce({ timestamp, source }: PeerAnnounce): Uint8Array {
  return writeBody.peerAnnounce({ Timestamp: timestamp, SrcPK: source });
}

/**
 * The announcement in `signed` by the peer that proved `remote` in the handshake of the session; undefined for
 * everything else, since a request comes the same way and looks much the same.
 */
export function recognisePeerAnnounce(signed: SignedObject, remote: PublicKey): PeerAnnounce | undefined {
  let raw: GobValue<typeof PEER_ANNOUNCE>;
  try {
    raw = decodeBody(signed.body, PEER_ANNOUNCE);
  } catch (error) {
    if (error instanceof DmsgError) return undefined; // no announcement; the request's reader will say what is wrong
    throw error;
  }
  if (raw.SrcPK !== remote || !signed.isSignedBy(remote)) return undefined;
  return { timestamp: raw.Timestamp, source: raw.SrcPK };
}

const NO_BYTES = new Uint8Array();

function decodeBody<G extends AnyGobType>(body: Uint8Array, type: G): GobValue<G> {
  try {
    return decodeGob(body, type);
  } catch (cause) {
    if (cause instanceof MalformedError || cause instanceof LimitError) throw new DmsgError(370, { cause });
    throw cause;
  }
}
