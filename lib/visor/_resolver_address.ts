/** Where the address resolver listens on UDP. @module */
import { type AddressResolverClient, parseAuthority } from "../directory/mod.ts";
import type { SocketAddress } from "../runtime/mod.ts";

/** Where resolvers of before 2026 listen whose URL names no port. */
const RESOLVER_UDP_PORT = 30_178;

/**
 * What the resolver's health says, since 2026; else its URL's own host and port. Undefined for one that is known
 * by dmsg alone and says nothing, as visors of 2024 have it: then there is no sudph. Errors: those of the question
 * where there is no URL to go by.
 */
export async function resolverUdpAddress(
  resolver: Pick<AddressResolverClient, "udpAddress">,
  http: string | undefined,
  signal: AbortSignal,
): Promise<SocketAddress | undefined> {
  const byUrl = http === undefined ? undefined : parseAuthority(new URL(http).host, RESOLVER_UDP_PORT);
  let said: string | undefined;
  try {
    said = await resolver.udpAddress(signal);
  } catch (error) {
    signal.throwIfAborted();
    if (byUrl === undefined) throw error;
  }
  if (said === undefined) return byUrl;
  const { hostname, port } = parseAuthority(
    said.startsWith(":") ? `0.0.0.0${said}` : said,
    RESOLVER_UDP_PORT,
  );
  if (port === 0) return byUrl;
  if (hostname !== "0.0.0.0" && hostname !== "::") return { hostname, port };
  return byUrl === undefined ? undefined : { hostname: byUrl.hostname, port };
}
