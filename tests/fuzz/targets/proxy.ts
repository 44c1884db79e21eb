/** SOCKS5, both sides, and a skysocks server whose client is hostile. @module */
import { memoryPair, silentLog } from "../../../lib/base/mod.ts";
import { keyPairFromSeed } from "../../../lib/crypto/mod.ts";
import { acceptSocks, connectSocks, skysocksServer } from "../../../lib/proxy/mod.ts";
import { UnreachableError } from "../../../lib/runtime/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { byteMutants } from "../_mutants.ts";
import { alone, ended } from "../_rig.ts";
import type { FuzzTarget } from "../_target.ts";

const hex = (text: string) => Uint8Array.fromHex(text);

/** What clients and servers send, whole. */
const clients = ["0501000501000304612e64650050", "0502000205010001 7f0000010050".replace(" ", "")].map(hex);
const passwords = ["0501020101750470617373050100037f0050", "0501020101750470617373050100017f0000010050"].map(
  hex,
);
const servers = ["050005000001 7f0000010050".replace(" ", ""), "0500050500030161 0050".replace(" ", "")].map(
  hex,
);
const { publicKey } = keyPairFromSeed(new TextEncoder().encode("fuzz"));

/** Feeds one side with `bytes` and then the end. */
function feedSocks(side: "client" | "server", passcode: string | undefined, bytes: Uint8Array) {
  return alone(async (ledger) => {
    const clock = new VirtualClock({ ledger });
    const [near, far] = memoryPair({ ledger, bytesMax: 1 << 20 });
    await far.write(bytes);
    await far.closeWrite();
    const target = { hostname: "a.de", port: 80 };
    try {
      if (side === "server") {
        return (await ended(clock, acceptSocks(near, { clock, admission: { passcode } }))).target;
      }
      return (await ended(clock, connectSocks(near, target, { clock, passcode }))).bound;
    } finally {
      near.close();
      far.close();
    }
  });
}

/** A recorded session of yamux with SOCKS5 in it. */
const session = hex(
  "000100010000000100000000" + "000000000000000100000003" + "050100" + "00000000000000010000000a" +
    "050100017f00000195e5" + "000000000000000100000005" + "70696e6721" + "000100040000000100000000",
);

/** A whole server, fed with `bytes`; its targets take everything or refuse, by their port. */
function feedServer(bytes: Uint8Array): Promise<unknown> {
  return alone(async (ledger) => {
    const clock = new VirtualClock({ ledger });
    const [near, far] = memoryPair({ ledger, bytesMax: 1 << 20 });
    const next = [Object.assign(near, { remote: { publicKey } })];
    const closed = Promise.withResolvers<null>();
    const server = skysocksServer({
      world: { clock, ledger },
      listener: {
        accept: () => next.length > 0 ? Promise.resolve(next.pop()!) : closed.promise,
        close: () => closed.resolve(null),
      },
      log: silentLog,
      dialTcp: (to) => {
        if (to.port % 2 === 0) return Promise.reject(new UnreachableError(to));
        const [target, program] = memoryPair({ ledger });
        program.close();
        return Promise.resolve(Object.assign(target, { local: to, remote: to }));
      },
    });
    await far.write(bytes);
    if (bytes.length % 2 === 0) await far.closeWrite();
    await clock.advance(60_000);
    const { sessions, connectionsTotal } = server.status();
    const draining = (async () => {
      for (let view = await far.read(); view !== null; view = await far.read());
    })().catch(() => {});
    await ended(clock, server.close());
    far.close();
    await draining;
    return { sessions, connectionsTotal };
  });
}

export const proxyTargets: readonly FuzzTarget[] = [
  {
    name: "socks5/server",
    inputs: byteMutants(clients),
    feed: (bytes: Uint8Array) => feedSocks("server", undefined, bytes),
  },
  {
    name: "socks5/server with a passcode",
    inputs: byteMutants(passwords),
    feed: (bytes: Uint8Array) => feedSocks("server", "pass", bytes),
  },
  {
    name: "socks5/client",
    inputs: byteMutants(servers),
    feed: (bytes: Uint8Array) => feedSocks("client", undefined, bytes),
  },
  {
    name: "skysocks/server",
    inputs: byteMutants([session, session.subarray(0, 40)]),
    feed: feedServer,
    refuses: false,
  },
];
