/**
 * What commands ask of a dmsg client, whether it is a visor's or a short-lived one of their own.
 *
 * @module
 */
import type { ServerSummary } from "../control/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import { NoServerError } from "../directory/mod.ts";
import { type DmsgClient, DMSGCTRL_PORT, DmsgError, pingOnce } from "../dmsg/mod.ts";
import { ConnReader } from "../wire/mod.ts";

/** Every server of the deployment, with what the discovery says of it; seeded ones when it says nothing. */
export async function listServers(client: DmsgClient, signal?: AbortSignal): Promise<ServerSummary[]> {
  const connected = new Set(client.sessions().map(({ remote }) => remote));
  let entries = await client.discovery.allServers(signal);
  if (entries.length === 0) entries = client.discovery.seededServers();
  return entries
    .map((entry) => ({
      server: entry.static,
      address: entry.server!.address,
      availableSessions: entry.server!.availableSessions,
      serverType: entry.server!.serverType,
      connected: connected.has(entry.static),
    }))
    .sort((a, b) => (a.server < b.server ? -1 : 1));
}

/** Nobody can be reached over dmsg now, and nothing is known of whom that was asked of. */
export function withoutServer(options: ErrorOptions = {}): NoServerError {
  return new NoServerError("This visor has no session with any dmsg server now", options);
}

/** As `work`, which asks a peer over dmsg; errors: those of `work`, `NoServerError` where there was no way to any peer. */
export async function overDmsg<T>(client: DmsgClient, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof DmsgError) || client.isConnected) throw cause;
    throw withoutServer({ cause });
  }
}

/** The result of pinging a key. Times in milliseconds. */
export interface PingResult {
  readonly key: PublicKey;
  /** Whose session carried the stream. */
  readonly server: PublicKey;
  /** From the call to the open stream. */
  readonly dialMs: number;
  readonly roundTripsMs: number[];
}

/** Opens a stream to port 7 and pings over it. Errors: of the dial; timed out. */
export async function pingKey(
  client: DmsgClient,
  key: PublicKey,
  { count = 1, signal, onRoundTrip }: {
    readonly count?: number;
    readonly signal?: AbortSignal;
    readonly onRoundTrip?: (milliseconds: number) => void;
  } = {},
): Promise<PingResult> {
  const { clock } = client;
  const startedMs = clock.monotonicMs();
  // A person who pings wants to know now, not what was true up to 30 s ago.
  const stream = await client.dial({ publicKey: key, port: DMSGCTRL_PORT }, { signal, bypassCaches: true });
  const dialMs = clock.monotonicMs() - startedMs;
  try {
    const reader = new ConnReader(stream);
    const roundTripsMs: number[] = [];
    for (let index = 0; index < count; index++) {
      const roundTripMs = await pingOnce(stream, reader, clock, signal);
      roundTripsMs.push(roundTripMs);
      onRoundTrip?.(roundTripMs);
    }
    return { key, server: stream.server, dialMs, roundTripsMs };
  } finally {
    stream.close();
  }
}
