/** A dmsg stream, made of the layers that carry one, keeps the contract of Conn through a server. @module */
import { memoryPair } from "../../lib/base/mod.ts";
import { keyPairFromSeed, type ProvenKey } from "../../lib/crypto/mod.ts";
import { DmsgStream } from "../../lib/dmsg/stream.ts";
import { noiseConn } from "../../lib/noise/mod.ts";
import { withDeadlines } from "../../lib/wire/mod.ts";
import { spliceStreams, YamuxSession, type YamuxStream } from "../../lib/yamux/mod.ts";
import { connCompliance, type ConnPairContext } from "../base/conn_compliance.ts";

const [alice, bob, server] = ["alice", "bob", "server"].map((name) =>
  keyPairFromSeed(new TextEncoder().encode(name)).publicKey
) as [ProvenKey, ProvenKey, ProvenKey];
const KEYS = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)] as const;

/** A client's session with the server; `serverSide` gets the streams, or makes them. */
function session(world: ConnPairContext) {
  const [clientConn, serverConn] = memoryPair({ ledger: world.ledger });
  const accepted = Promise.withResolvers<YamuxStream>();
  const onStream = accepted.resolve;
  return {
    client: new YamuxSession(clientConn, { role: "client", world, onStream }),
    server: new YamuxSession(serverConn, { role: "server", world, onStream }),
    accepted: accepted.promise,
  };
}

connCompliance("a dmsg stream through a server", async (world) => {
  const [left, right] = [session(world), session(world)];
  const below = left.client.open();
  const done = spliceStreams(await left.accepted, right.server.open(), { idleMs: 300_000 }).catch(() => {});
  const farBelow = await right.accepted;
  const stream = (carrier: YamuxStream, isNear: boolean) => {
    const [send, receive] = isNear ? KEYS : [KEYS[1], KEYS[0]];
    const conn = noiseConn(carrier, { send, receive }, { ledger: world.ledger });
    const [local, remote] = isNear ? [alice, bob] : [bob, alice];
    const guarded = withDeadlines(conn, world.clock, { readIdleMs: 120_000 });
    return new DmsgStream(guarded, { publicKey: local, port: 1 }, { publicKey: remote, port: 2 }, server);
  };
  return {
    near: stream(below, true),
    far: stream(farBelow, false),
    async truncate() {
      await farBelow.write(Uint8Array.of(0, 100, 1, 2, 3));
      await farBelow.closeWrite();
    },
    async dispose() {
      for (const each of [left, right]) {
        each.client.close();
        each.server.close();
        await Promise.all([each.client.closed, each.server.closed]);
      }
      await done;
    },
  };
}, { takenInBytesMax: 4 << 20, pairs: 50 });
