/** Which IP addresses are worth telling to, or dialling for, somebody elsewhere (protocol: transport, 6.2). @module */
import { ipBytes } from "../wire/mod.ts";

/** True for 127.0.0.0/8 and ::1. */
export function isLoopbackAddress(text: string): boolean {
  const ip = ipBytes(text);
  if (ip.length === 4) return ip[0] === 127;
  return ip.length === 16 && ip.every((byte, at) => byte === (at === 15 ? 1 : 0));
}

/**
 * True for an address that the Internet could route: for IPv4 not loopback, link-local, 10/8, 172.16/12,
 * 192.168/16, 0/8 or above 223; for IPv6 global unicast, 2000::/3. Ranges for documents pass for public.
 */
export function isPublicAddress(text: string): boolean {
  const ip = ipBytes(text);
  const [a, b] = [ip[0]!, ip[1]!];
  if (ip.length === 16) return a >> 5 === 1;
  if (ip.length !== 4) return false;
  if (a === 0 || a === 10 || a === 127 || a >= 224) return false;
  if (a === 169 && b === 254) return false;
  if (a === 172 && b >> 4 === 1) return false;
  return !(a === 192 && b === 168);
}

/** True for what a bind tells: addresses of global scope, private ones too, and loopback; not link-local. */
export function isTellableAddress(text: string): boolean {
  const ip = ipBytes(text);
  if (ip.length === 4) return ip[0] !== 0 && ip[0]! < 224 && !(ip[0] === 169 && ip[1] === 254);
  if (ip.length !== 16 || ip.every((byte) => byte === 0)) return false;
  const isLinkLocal = ip[0] === 0xfe && ip[1]! >> 6 === 2;
  return ip[0] !== 0xff && !isLinkLocal;
}

/** `host`, `host:port`, `[v6]` or `[v6]:port` with an IP address, and `port` where there is none. */
export function parseIpAndPort(text: string, port: number): { hostname: string; port: number } | undefined {
  const bracketed = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text);
  const plain = /^([^:]+)(?::(\d{1,5}))?$/.exec(text);
  const [, hostname = text, portText] = bracketed ?? plain ?? [];
  const found = portText === undefined ? port : Number(portText);
  if (ipBytes(hostname).length === 0 || !(found >= 1 && found <= 0xffff)) return undefined;
  return { hostname, port: found };
}
