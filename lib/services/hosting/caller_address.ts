/** Where a caller is: its socket, what a proxy in front says, or, over dmsg, what it says itself. @module */
import { ipBlock, ipBytes, ipText } from "../../wire/mod.ts";
import { dmsgCaller, type Question } from "./answers.ts";

/**
 * The caller's IP address in its usual form; undefined when there is none. Over dmsg it is the caller's own word
 * (services.md 2.5); over HTTP that of a proxy in front, where `believeProxies` (services.md 1.3), else the socket's.
 */
export function callerAddress(
  question: Question,
  { believeProxies }: { readonly believeProxies: boolean },
): string | undefined {
  if (dmsgCaller(question.remote) !== undefined) return addressOf(question.header("sw-publicip"));
  const told = believeProxies
    ? addressOf(question.header("true-client-ip")) ?? addressOf(question.header("x-real-ip")) ??
      addressOf(question.header("x-forwarded-for")?.split(",", 1)[0])
    : undefined;
  return told ?? addressOf(/^\[?(.*?)\]?:[0-9]+$/.exec(question.remote)?.[1]);
}

/**
 * The block of a caller's public address, to count callers by; undefined for whoever cannot be told so: over dmsg an
 * address is the caller's own word, and a private one may be that of a proxy in front of everybody.
 */
export function publicBlock(question: Question): string | undefined {
  if (dmsgCaller(question.remote) !== undefined) return undefined;
  const address = callerAddress(question, { believeProxies: false });
  if (address === undefined) return undefined;
  const isOwn = address.includes(":") ? /^(?:::|f[cd]|fe[89ab])/.test(address) : !isPublicAddress(address);
  return isOwn ? undefined : ipBlock(address);
}

/** An IP address in its usual form: an IPv4 address in IPv6 is one. Undefined for what is none. */
export function addressOf(text: string | undefined): string | undefined {
  const trimmed = text?.trim() ?? "";
  return trimmed === "" || trimmed.length > ADDRESS_CHARS_MAX ? undefined : ipText(ipBytes(trimmed));
}

/** True for an IPv4 address that strangers can reach, as the network judges it (transport.md 6.2). */
export function isPublicAddress(address: string): boolean {
  const bytes = ipBytes(address);
  if (bytes.length !== 4) return false;
  const [first, second] = [bytes[0]!, bytes[1]!];
  if (first === 0 || first === 10 || first === 127 || first >= 224) return false; // none, private, loopback, groups
  if (first === 169 && second === 254) return false;
  if (first === 172 && (second & 0xf0) === 16) return false;
  return !(first === 192 && second === 168);
}

/** Room for IPv6 with a zone, not for a story. */
const ADDRESS_CHARS_MAX = 64;
