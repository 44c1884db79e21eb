/** HTTP over plain TCP or TLS, for the services' clear-net addresses. @module */
import { HttpClient } from "../http/mod.ts";
import type { World } from "../runtime/mod.ts";
import { BadUrlError } from "./errors.ts";

/** An HTTP client that dials TCP; `https` hosts get TLS. Close it with its owner. */
export function tcpHttpClient(
  world: Pick<World, "clock" | "ledger" | "network">,
  userAgent: string,
  { tls = false }: { readonly tls?: boolean } = {},
): HttpClient {
  return new HttpClient({
    clock: world.clock,
    ledger: world.ledger,
    userAgent,
    dial: (authority, signal) => {
      const address = parseAuthority(authority, tls ? 443 : 80);
      return world.network.dial(address, { signal, tls });
    },
  });
}

/** `host[:port]`, with brackets around IPv6. Errors: `BadUrlError`. */
export function parseAuthority(authority: string, portDefault: number): { hostname: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/]+))(?::(\d{1,5}))?$/.exec(authority);
  const port = match?.[3] === undefined ? portDefault : Number(match[3]);
  if (match === null || port > 65_535) {
    throw new BadUrlError(`"${authority.slice(0, 100)}" is not host, or host:port`);
  }
  return { hostname: match[1] ?? match[2]!, port };
}
