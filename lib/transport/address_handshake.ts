/**
 * The handshake in clear text in front of noise: who dials, and which port is meant (protocol: transport, section 4).
 *
 *     initiator                                        responder
 *        f0  get_nonce                                ──▶
 *                                                     ◀──  f1  {"Nonce":[16 numbers]}\n
 *        f2  {"SrcAddr":..,"DstAddr":..,"Nonce":..,"Sig":..}\n ──▶
 *                                                     ◀──  f3  {"OK":true,"ErrMsg":""}\n
 *
 * f2 is signed over itself with a signature of zeros. What is proved is the initiator's key; the responder's is
 * for noise, which follows. Each frame is one write, and a line end that comes late is dropped.
 *
 * @module
 */
import { type Conn, MalformedError, SkyError, TruncatedError } from "../base/mod.ts";
import {
  type KeyPair,
  parsePublicKey,
  parsePublicKeyLenient,
  parseSignature,
  type PublicKey,
  sign,
  SIGNATURE_BYTES,
  toHex,
  verify,
} from "../crypto/mod.ts";
import { TRANSPORT_PORT } from "../dmsg/mod.ts";
import type { Clock, Random } from "../runtime/mod.ts";
import { member, parseJson, parseJsonObject } from "./_json.ts";
import { JsonFrames } from "./_json_frames.ts";
import { Told, within } from "./_within.ts";
import { AddressHandshakeError } from "./errors.ts";

/** The whole handshake, on both sides. */
export const ADDRESS_HANDSHAKE_TIMEOUT_MS = 10_000;
/** f2 has 417 bytes; room for members that we do not know. */
export const ADDRESS_FRAME_BYTES_MAX = 2048;

const NONCE_BYTES = 16;
const GET_NONCE = new TextEncoder().encode("get_nonce");
const NULL_KEY = "0".repeat(66);
const encoder = new TextEncoder();

/** A port of a visor. No key: the null key, where nobody in particular is meant. */
export interface PortAddress {
  readonly publicKey: PublicKey | undefined;
  readonly port: number;
}

/** f2 without its signature. */
export interface AddressClaim {
  readonly source: PortAddress & { readonly publicKey: PublicKey };
  readonly destination: PortAddress;
  readonly nonce: Uint8Array;
}

/** The line f1. */
export function renderNonce(nonce: Uint8Array): string {
  return `{"Nonce":${JSON.stringify([...nonce])}}\n`;
}

/** The line f2; without a signature, that is the text to be signed. */
export function renderClaim(
  { source, destination, nonce }: AddressClaim,
  signature: Uint8Array = new Uint8Array(SIGNATURE_BYTES),
): string {
  const addresses = `"SrcAddr":${renderAddress(source)},"DstAddr":${renderAddress(destination)}`;
  return `{${addresses},"Nonce":${JSON.stringify([...nonce])},"Sig":"${toHex(signature)}"}\n`;
}

/** The line f3. */
export function renderVerdict(refusal = ""): string {
  return `{"OK":${refusal === ""},"ErrMsg":${JSON.stringify(refusal)}}\n`;
}

/** The nonce of f1. Errors: `MalformedError`. */
export function parseNonce(text: string): Uint8Array {
  return nonceOf(member(parseJsonObject(parseJson(text, "a nonce"), "a nonce"), "Nonce"));
}

/** f2, with its signature. Whether that is right is for {@link isClaimSigned}. Errors: `MalformedError`. */
export function parseClaim(text: string): { readonly claim: AddressClaim; readonly signature: Uint8Array } {
  try {
    const object = parseJsonObject(parseJson(text, "an address claim"), "an address claim");
    const source = addressOf(member(object, "SrcAddr"));
    if (source.publicKey === undefined) throw new MalformedError("The source has no key");
    const claim = {
      source: { publicKey: source.publicKey, port: source.port },
      destination: addressOf(member(object, "DstAddr")),
      nonce: nonceOf(member(object, "Nonce")),
    };
    return { claim, signature: parseSignature(textOf(member(object, "Sig"))) };
  } catch (cause) {
    if (cause instanceof SkyError) throw new MalformedError("Cannot read an address claim", { cause });
    throw cause;
  }
}

/** True when the holder of the claim's source key signed it. */
export function isClaimSigned(claim: AddressClaim, signature: Uint8Array): boolean {
  return verify(claim.source.publicKey, signature, encoder.encode(renderClaim(claim)));
}

/** What f3 says; undefined: accepted. Errors: `MalformedError`. */
export function parseVerdict(text: string): { readonly refusal: string | undefined } {
  const object = parseJsonObject(parseJson(text, "a verdict"), "a verdict");
  const isAccepted = member(object, "OK");
  const message = member(object, "ErrMsg") ?? "";
  if (typeof isAccepted !== "boolean" || typeof message !== "string") {
    throw new MalformedError("Cannot read a verdict: OK is no truth value, or ErrMsg no text");
  }
  return { refusal: isAccepted ? undefined : message };
}

export interface AddressHandshakeOptions {
  readonly world: { readonly clock: Clock; readonly random: Random };
  /** Ends the handshake, never the connection that it returned. */
  readonly signal?: AbortSignal;
  /** Default {@link ADDRESS_HANDSHAKE_TIMEOUT_MS}. */
  readonly timeoutMs?: number;
}

export interface InitiatorAddresses {
  readonly local: KeyPair;
  readonly localPort: number;
  readonly remote: PublicKey | undefined;
  readonly remotePort?: number;
}

/**
 * The dialler's side. Owns `conn`: on failure it is closed. Gives the connection for what comes next. Errors:
 * `AddressHandshakeError`, `MalformedError`, `TruncatedError`, `TimedOutError`, the signal's reason, the Conn's.
 */
export function openAddressHandshake(
  conn: Conn,
  {
    world,
    signal,
    timeoutMs = ADDRESS_HANDSHAKE_TIMEOUT_MS,
    local,
    localPort,
    remote,
    remotePort = TRANSPORT_PORT,
  }: AddressHandshakeOptions & InitiatorAddresses,
): Promise<Conn> {
  return within(
    conn,
    { clock: world.clock, what: WHAT, afterMs: timeoutMs, signal },
    async () => {
      const frames = new JsonFrames(conn);
      await conn.write(GET_NONCE);
      const nonce = parseNonce(
        await frames.readObject("the nonce of an address handshake", ADDRESS_FRAME_BYTES_MAX),
      );
      const claim: AddressClaim = {
        source: { publicKey: local.publicKey, port: localPort },
        destination: { publicKey: remote, port: remotePort },
        nonce,
      };
      const signature = sign(encoder.encode(renderClaim(claim)), local.secretKey);
      await conn.write(encoder.encode(renderClaim(claim, signature)));
      const { refusal } = parseVerdict(
        await frames.readObject("the verdict of an address handshake", ADDRESS_FRAME_BYTES_MAX),
      );
      if (refusal !== undefined) {
        throw new AddressHandshakeError(`Handshake rejected: ${refusal.slice(0, REFUSAL_CHARACTERS_MAX)}`);
      }
      return frames.rest();
    },
  );
}

/** What a responder knows at the end. */
export interface AcceptedAddress {
  readonly conn: Conn;
  /** The initiator's key: whoever sent this signed our nonce. */
  readonly remote: PublicKey;
  readonly remotePort: number;
  readonly localPort: number;
}

/** A connection that ended before it said anything: a port probe, and nothing to be alarmed about. */
export class SilentProbeError extends TruncatedError {}

/**
 * The acceptor's side, for ports that `isListening` admits. Owns `conn`: on failure it is closed; only a refused
 * port is told to the peer. Errors: as {@link openAddressHandshake}, and {@link SilentProbeError}.
 */
export function acceptAddressHandshake(
  conn: Conn,
  {
    world,
    signal,
    timeoutMs = ADDRESS_HANDSHAKE_TIMEOUT_MS,
    isListening = (port) => port === TRANSPORT_PORT,
  }: AddressHandshakeOptions & { readonly isListening?: (port: number) => boolean },
): Promise<AcceptedAddress> {
  return within(
    conn,
    { clock: world.clock, what: WHAT, afterMs: timeoutMs, signal },
    async () => {
      const frames = new JsonFrames(conn);
      if (await frames.isAtEnd()) throw new SilentProbeError("an address handshake, before it began");
      const request = await frames.readExactly(GET_NONCE.length, "the request of an address handshake");
      if (!isSame(request, GET_NONCE)) {
        throw new AddressHandshakeError(
          "Handshake failed: invalid first message",
        );
      }
      const nonce = world.random.bytes(NONCE_BYTES);
      await conn.write(encoder.encode(renderNonce(nonce)));
      const { claim, signature } = parseClaim(
        await frames.readObject("the claim of an address handshake", ADDRESS_FRAME_BYTES_MAX),
      );
      if (!isSame(claim.nonce, nonce)) throw new AddressHandshakeError("Handshake failed: unexpected nonce");
      if (!isClaimSigned(claim, signature)) {
        throw new AddressHandshakeError("Handshake failed: the signature is not of the source's key");
      }
      const { source, destination } = claim;
      if (!isListening(destination.port)) {
        await conn.write(encoder.encode(renderVerdict(NOT_LISTENING)));
        throw new Told(new AddressHandshakeError(`Handshake failed: ${NOT_LISTENING}`));
      }
      await conn.write(encoder.encode(renderVerdict()));
      const accepted = { remote: source.publicKey, remotePort: source.port, localPort: destination.port };
      return { conn: frames.rest(), ...accepted };
    },
  );
}

const WHAT = "An address handshake";
const NOT_LISTENING = "not listening on given port";
/** Of a refusing peer's text, for our message. */
const REFUSAL_CHARACTERS_MAX = 200;

function renderAddress({ publicKey = NULL_KEY as PublicKey, port }: PortAddress): string {
  return `{"public_key":"${publicKey}","port":${port}}`;
}

function addressOf(value: unknown): PortAddress {
  const object = parseJsonObject(value, "an address");
  const port = member(object, "port");
  if (typeof port !== "number" || !Number.isInteger(port) || port < 0 || port > 0xffff) {
    throw new MalformedError("A port is no number from 0 to 65535");
  }
  const key = textOf(member(object, "public_key"));
  return { publicKey: key === NULL_KEY ? parsePublicKeyLenient(key) : parsePublicKey(key), port };
}

function nonceOf(value: unknown): Uint8Array {
  const isByte = (each: unknown) =>
    Number.isInteger(each) && (each as number) >= 0 && (each as number) <= 255;
  if (!Array.isArray(value) || value.length !== NONCE_BYTES || !value.every(isByte)) {
    throw new MalformedError(`A nonce is not ${NONCE_BYTES} numbers from 0 to 255`);
  }
  return Uint8Array.from(value as number[]);
}

function textOf(value: unknown): string {
  if (typeof value !== "string") throw new MalformedError("A member is no text");
  return value;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
