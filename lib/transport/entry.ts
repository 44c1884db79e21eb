/**
 * Entries: what both edges of a transport sign and what the transport discovery lists (protocol: transport,
 * section 3).
 *
 *     {"t_id":"..","edges":["..",".."],"type":"stcpr","label":"user"}
 *     {"entry":{..},"signatures":["..",".."]}\n            the signatures in the order of the edges
 *
 * Signed are `id (16) || edge (33) || edge (33) || type`; the label is a remark. Parsing is total; names of
 * members match in any case and unknown ones are left alone, as Skywire's own decoder does it.
 *
 * @module
 */
import { MalformedError, SkyError } from "../base/mod.ts";
import {
  type KeyPair,
  parsePublicKey,
  parseSignature,
  type PublicKey,
  publicKeyBytes,
  sign,
  SIGNATURE_BYTES,
  toHex,
  verify,
} from "../crypto/mod.ts";
import { member, parseJsonObject } from "./_json.ts";
import { parseTransportId, sortedEdges, type TransportId, transportId, transportIdBytes } from "./id.ts";

/** Who made a transport: `user`, `automatic` or `skycoin`; other texts come from other programs. */
export const LABELS = ["user", "automatic", "skycoin"] as const;

/** Policy: longer labels are refused. */
export const LABEL_CHARACTERS_MAX = 64;
/** Policy: the classic lines have 516 to 522 bytes; room for long labels and members that we do not know. */
export const SIGNED_ENTRY_BYTES_MAX = 4096;
/** Longest name of a type: `squicr` has 6 characters. */
const TYPE_CHARACTERS_MAX = 32;

/** A transport as it is listed. `edges` are in ascending order. */
export interface TransportEntry {
  readonly id: TransportId;
  readonly edges: readonly [PublicKey, PublicKey];
  readonly type: string;
  readonly label: string;
}

/** An entry with a signature of each edge, 65 bytes; undefined where one has not signed yet. */
export interface SignedTransportEntry {
  readonly entry: TransportEntry;
  readonly signatures: readonly [Uint8Array | undefined, Uint8Array | undefined];
}

/** The entry of the transport of `type` between `a` and `b`, in either order. */
export function transportEntry(
  a: PublicKey,
  b: PublicKey,
  { type, label }: { readonly type: string; readonly label: string },
): TransportEntry {
  return { id: transportId(a, b, type), edges: sortedEdges(a, b), type, label };
}

/** The JSON of an entry, without a line end: byte for byte what Skywire writes. */
export function renderTransportEntry({ id, edges, type, label }: TransportEntry): string {
  return JSON.stringify({ t_id: id, edges, type, label });
}

/** The line of a signed entry, with its line end. */
export function renderSignedEntry({ entry, signatures }: SignedTransportEntry): string {
  const texts = signatures.map((signature) => signature === undefined ? NO_SIGNATURE : toHex(signature));
  return `{"entry":${renderTransportEntry(entry)},"signatures":${JSON.stringify(texts)}}\n`;
}

/** What both edges sign. */
export function entrySignedBytes({ id, edges, type }: TransportEntry): Uint8Array {
  const name = new TextEncoder().encode(type);
  const bytes = new Uint8Array(16 + 33 + 33 + name.length);
  bytes.set(transportIdBytes(id), 0);
  bytes.set(publicKeyBytes(edges[0]), 16);
  bytes.set(publicKeyBytes(edges[1]), 49);
  bytes.set(name, 82);
  return bytes;
}

/** `signed` with the signature of `signer`, who must be an edge (`TypeError`). */
export function signEntry(signed: SignedTransportEntry, signer: KeyPair): SignedTransportEntry {
  const index = signed.entry.edges.indexOf(signer.publicKey);
  if (index < 0) throw new TypeError(`${signer.publicKey} is no edge of transport ${signed.entry.id}`);
  const signature = sign(entrySignedBytes(signed.entry), signer.secretKey);
  const [first, second] = signed.signatures;
  return { entry: signed.entry, signatures: index === 0 ? [signature, second] : [first, signature] };
}

/** True when `edge` signed the entry. */
export function isSignedBy({ entry, signatures }: SignedTransportEntry, edge: PublicKey): boolean {
  const signature = signatures[entry.edges.indexOf(edge)];
  return signature !== undefined && verify(edge, signature, entrySignedBytes(entry));
}

/**
 * An entry of JSON that is parsed already. Whether its id belongs to its edges is for the caller to see: see
 * {@link isSameTransport}. Errors: `MalformedError`.
 */
export function parseTransportEntry(json: unknown): TransportEntry {
  return refusing("a transport entry", () => {
    const object = parseJsonObject(json, "a transport entry");
    const edges = member(object, "edges");
    if (!Array.isArray(edges) || edges.length !== 2) throw new MalformedError("edges are not two keys");
    return {
      id: parseTransportId(text(member(object, "t_id"), "t_id")),
      edges: [parsePublicKey(text(edges[0], "edges[0]")), parsePublicKey(text(edges[1], "edges[1]"))],
      type: short(text(member(object, "type"), "type"), "type", TYPE_CHARACTERS_MAX),
      label: short(text(member(object, "label") ?? "", "label"), "label", LABEL_CHARACTERS_MAX),
    };
  });
}

/** The signed entry of JSON that is parsed already; a missing signature may be zeros. Errors: `MalformedError`. */
export function parseSignedEntry(json: unknown): SignedTransportEntry {
  return refusing("a signed transport entry", () => {
    const object = parseJsonObject(json, "a signed transport entry");
    const signatures = member(object, "signatures");
    if (!Array.isArray(signatures) || signatures.length !== 2) {
      throw new MalformedError("signatures are not two");
    }
    return {
      entry: parseTransportEntry(member(object, "entry")),
      signatures: [signatureOf(signatures[0]), signatureOf(signatures[1])],
    };
  });
}

/** True when both speak of the same transport: everything but the label. */
export function isSameTransport(a: TransportEntry, b: TransportEntry): boolean {
  return a.id === b.id && a.type === b.type && a.edges[0] === b.edges[0] && a.edges[1] === b.edges[1];
}

const NO_SIGNATURE = "0".repeat(2 * SIGNATURE_BYTES);

function signatureOf(value: unknown): Uint8Array | undefined {
  const hex = text(value, "a signature");
  return /^0*$/.test(hex) ? undefined : parseSignature(hex);
}

function text(value: unknown, what: string): string {
  if (typeof value !== "string") throw new MalformedError(`${what} is no text`);
  return value;
}

function short(value: string, what: string, charactersMax: number): string {
  if (value.length > charactersMax || /[^\x20-\x7e]/.test(value)) {
    throw new MalformedError(`${what} is not up to ${charactersMax} printable characters`);
  }
  return value;
}

/** A peer's text is the peer's fault, also where a parser of ours would blame its caller. */
function refusing<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof SkyError) throw new MalformedError(`Cannot read ${what}`, { cause });
    throw cause;
  }
}
