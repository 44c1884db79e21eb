/** Servers that are in no discovery, clients at them, and a peer whose every object the test makes. @module */
import { TruncatedError } from "../../lib/base/mod.ts";
import type { KeyPair, PublicKey } from "../../lib/crypto/mod.ts";
import type { DmsgClient } from "../../lib/dmsg/client.ts";
import {
  encodePeerAnnounce,
  encodeStreamRequest,
  parseSignedObject,
  type PeerServer,
  type SignedObject,
  signObject,
  type StreamResponse,
} from "../../lib/dmsg/mod.ts";
import { decodeStreamResponse } from "../../lib/dmsg/objects.ts";
import type { DmsgServer, PeerSettings } from "../../lib/dmsg/server.ts";
import { connectSession, type Session } from "../../lib/dmsg/session.ts";
import { ConnReader } from "../../lib/wire/mod.ts";
import type { YamuxStream } from "../../lib/yamux/mod.ts";
import { type DmsgNetworkUnderTest, key, pair, said, seedOf, SERVER_PORT } from "./client_support.ts";

const LEFT_OUT = { discovery: undefined } as const;

/** A peer on the node of its name. */
export function peer(name: string): PeerServer {
  return { publicKey: key(name), address: `${name}:${SERVER_PORT}` };
}

/** A server that is in no discovery. */
export function hidden(
  network: DmsgNetworkUnderTest,
  name: string,
  peering: PeerSettings = {},
  local: KeyPair = pair(name),
): Promise<DmsgServer> {
  return network.server(name, { ...LEFT_OUT, local, peering });
}

/** A client that knows one server and is known by nobody. */
export function at(network: DmsgNetworkUnderTest, name: string, server: string): DmsgClient {
  return network.client(name, { seeded: [seedOf(server)], publish: false });
}

/** A client at `server` that answers on port 1000 with what it gets. */
export async function answering(
  network: DmsgNetworkUnderTest,
  name: string,
  server: string,
): Promise<DmsgClient> {
  const client = at(network, name, server);
  const listener = client.listen(1000);
  void (async () => {
    for (let stream = await listener.accept(); stream !== null; stream = await listener.accept()) {
      const conn = stream;
      void (async () => {
        for (let bytes = await conn.read(); bytes !== null; bytes = await conn.read()) {
          await conn.write(bytes.slice());
        }
        conn.close();
      })().catch(() => conn.close());
    }
  })();
  await client.whenReady();
  return client;
}

export interface Reached {
  readonly text?: string;
  readonly failure?: string | undefined;
  readonly tookMs: number;
}

/** Dials port 1000 of `to` and says something; the code of the failure when it cannot, and how long it took. */
export async function reach(network: DmsgNetworkUnderTest, from: DmsgClient, to: string): Promise<Reached> {
  await from.whenReady();
  const startedMs = network.simulation.nowMs;
  try {
    const stream = await from.dial({ publicKey: key(to), port: 1000 }, { bypassCaches: true });
    const text = await said(stream);
    stream.close();
    return { text, tookMs: network.simulation.nowMs - startedMs };
  } catch (error) {
    return { failure: (error as { code?: string }).code, tookMs: network.simulation.nowMs - startedMs };
  }
}

/** A session of `name` with `server`, with streams of the server kept for the test. */
export function session(
  network: DmsgNetworkUnderTest,
  name: string,
  server: string,
  incoming: YamuxStream[] = [],
): Promise<Session> {
  return sessionOf(network, pair(name), server, { name, incoming });
}

/** The same for any key, at a server of any key. */
export async function sessionOf(
  network: DmsgNetworkUnderTest,
  local: KeyPair,
  server: string,
  { name = "sender", serverKey = key(server), incoming = [] }: {
    name?: string;
    serverKey?: PublicKey;
    incoming?: YamuxStream[];
  } = {},
): Promise<Session> {
  const world = network.world(name);
  const address = { hostname: server, port: SERVER_PORT };
  const conn = await world.network.dial(address);
  return await connectSession(conn, address, serverKey, {
    world,
    local,
    log: network.log(name),
    onStream: (stream) => void incoming.push(stream),
  });
}

/** What comes back for one object: its response, or undefined for the end of the stream. */
export async function ask(
  from: Session,
  bytes: Uint8Array,
): Promise<{ signed: SignedObject; response: StreamResponse } | undefined> {
  const stream = from.mux.open();
  await stream.write(from.sealer.seal(bytes));
  const reader = new ConnReader(stream);
  try {
    const [high, low] = await reader.readExactly(2);
    const object = from.opener.open(await reader.readExactly((high! << 8) | low!));
    const signed = parseSignedObject(object);
    return { signed, response: decodeStreamResponse(signed.body) };
  } catch (error) {
    if (error instanceof TruncatedError) return undefined;
    throw error;
  } finally {
    stream.close();
  }
}

export function announceOf(name: string, signer = name): SignedObject {
  return signObject(encodePeerAnnounce({ timestamp: 1n, source: key(name) }), pair(signer).secretKey);
}

export function requestOf(source: string, destination: string): SignedObject {
  return signObject(
    encodeStreamRequest({
      timestamp: 1n,
      source: { publicKey: key(source), port: 49_152 },
      destination: { publicKey: key(destination), port: 1000 },
      ipInfo: false,
      noiseMessage: new Uint8Array(49),
    }),
    pair(source).secretKey,
  );
}
