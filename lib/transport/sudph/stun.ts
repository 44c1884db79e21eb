/**
 * STUN: what a NAT makes of our address. Only the binding request, in the form that servers of RFC 3489 and of
 * RFC 5389 answer alike, and what they answer.
 *
 *     [ type 2 ][ length 2 ][ cookie 4 ][ transaction 12 ] then attributes: [ type 2 ][ length 2 ][ value ]    big endian
 *
 * @module
 */
import type { SocketAddress } from "../../runtime/mod.ts";
import { ipBytes, ipText } from "../../wire/mod.ts";

const BINDING_REQUEST = 0x0001;
const BINDING_RESPONSE = 0x0101;
const MAPPED_ADDRESS = 0x0001;
const XOR_MAPPED_ADDRESS = 0x0020;
/** The same before it had a number of its own; servers in use still send it. */
const XOR_MAPPED_ADDRESS_OLD = 0x8020;
const COOKIE = 0x2112_a442;
const STUN_HEADER_BYTES = 20;
const FAMILY_IPV4 = 1;
const FAMILY_IPV6 = 2;
/** What tells answers apart: nobody who does not see the request can forge one. */
export const STUN_TRANSACTION_BYTES = 12;

export function encodeBindingRequest(transaction: Uint8Array): Uint8Array {
  const request = new Uint8Array(STUN_HEADER_BYTES);
  const view = new DataView(request.buffer);
  view.setUint16(0, BINDING_REQUEST);
  view.setUint32(4, COOKIE);
  request.set(transaction, 8);
  return request;
}

/** The transaction that `datagram` answers; undefined for what is no answer to a binding request. */
export function answeredTransaction(datagram: Uint8Array): Uint8Array | undefined {
  if (datagram.length < STUN_HEADER_BYTES) return undefined;
  const view = viewOf(datagram);
  const isAnswer = view.getUint16(0) === BINDING_RESPONSE && view.getUint32(4) === COOKIE &&
    view.getUint16(2) === datagram.length - STUN_HEADER_BYTES;
  return isAnswer ? datagram.subarray(8, STUN_HEADER_BYTES) : undefined;
}

/**
 * What a server answers to `request`, which it sees come from `seen`; undefined for what is no binding request.
 * `isMasked`: as RFC 5389 has it, the address xored with what the asker knows; else as RFC 3489.
 */
export function answerBindingRequest(
  request: Uint8Array,
  seen: SocketAddress,
  { isMasked }: { readonly isMasked: boolean },
): Uint8Array | undefined {
  if (request.length < STUN_HEADER_BYTES || viewOf(request).getUint16(0) !== BINDING_REQUEST) {
    return undefined;
  }
  const address = ipBytes(seen.hostname);
  if (address === undefined) return undefined;
  const mask = isMasked ? request.subarray(4, STUN_HEADER_BYTES) : NO_MASK;
  const answer = new Uint8Array(STUN_HEADER_BYTES + 8 + address.length);
  const view = viewOf(answer);
  view.setUint16(0, BINDING_RESPONSE);
  view.setUint16(2, answer.length - STUN_HEADER_BYTES);
  answer.set(request.subarray(4, STUN_HEADER_BYTES), 4);
  view.setUint16(STUN_HEADER_BYTES, isMasked ? XOR_MAPPED_ADDRESS : MAPPED_ADDRESS);
  view.setUint16(STUN_HEADER_BYTES + 2, 4 + address.length);
  answer[STUN_HEADER_BYTES + 5] = address.length === 4 ? FAMILY_IPV4 : FAMILY_IPV6;
  view.setUint16(STUN_HEADER_BYTES + 6, seen.port ^ (mask[0]! << 8 | mask[1]!));
  answer.set(address.map((byte, at) => byte ^ mask[at]!), STUN_HEADER_BYTES + 8);
  return answer;
}

/** The address that an answer says we have; undefined when it says none. */
export function mappedAddress(answer: Uint8Array): SocketAddress | undefined {
  const view = viewOf(answer);
  let plain: SocketAddress | undefined;
  for (let at = STUN_HEADER_BYTES; at + 4 <= answer.length;) {
    const [type, length] = [view.getUint16(at), view.getUint16(at + 2)];
    const value = answer.subarray(at + 4, at + 4 + length);
    if (value.length < length) return plain;
    if (type === XOR_MAPPED_ADDRESS || type === XOR_MAPPED_ADDRESS_OLD) {
      const found = addressIn(value, answer.subarray(4, STUN_HEADER_BYTES));
      if (found !== undefined) return found;
    }
    if (type === MAPPED_ADDRESS) plain ??= addressIn(value, NO_MASK);
    at += 4 + (length + 3 & ~3);
  }
  return plain;
}

/** `[ 0 ][ family ][ port 2 ][ address 4 or 16 ]`, port and address xored with `mask`. */
function addressIn(value: Uint8Array, mask: Uint8Array): SocketAddress | undefined {
  const bytes = value[1] === FAMILY_IPV6 ? 16 : 4;
  if (value.length < 4 + bytes) return undefined;
  const port = (value[2]! ^ mask[0]!) << 8 | value[3]! ^ mask[1]!;
  const address = value.slice(4, 4 + bytes).map((byte, at) => byte ^ mask[at]!);
  const hostname = ipText(address);
  return port === 0 || hostname === undefined ? undefined : { hostname, port };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

const NO_MASK = new Uint8Array(16);
