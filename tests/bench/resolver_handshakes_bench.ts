/**
 * 10,000 forged handshakes at an address resolver's UDP side, and what a visor feels of them. Two processes: the
 * resolver, and this one with a hundred loopback addresses, so that no address uses up its share.
 */
import { type KeyPair, keyPairFromSeed, sign, toHex } from "../../lib/crypto/mod.ts";
import { Command, encodeSegment, KcpSocket } from "../../lib/kcp/mod.ts";
import { type SocketAddress, systemWorld, type World } from "../../lib/runtime/mod.ts";
import type { UdpCounters } from "../../lib/services/address_resolver/mod.ts";
import { openAddressHandshake } from "../../lib/transport/mod.ts";
import type { BenchRow } from "../../scripts/bench.ts";
import { Child } from "./_child.ts";
import { percentile } from "./_dmsg_network.ts";

const FORGED = 10_000;
const ADDRESSES = 100;
const AT_ONCE = 32;
const GENUINE = 50;

const encoder = new TextEncoder();
const visor = keyPairFromSeed(encoder.encode("bench visor"));

export default async function resolverHandshakesBench(): Promise<BenchRow[]> {
  await using resolver = new Child("_resolver_role.ts");
  const at = await resolver.ask<SocketAddress>("start");
  const world = systemWorld();
  const sources: KcpSocket[] = [];
  for (let index = 0; index < ADDRESSES; index++) {
    const hostname = `127.1.0.${index + 1}`;
    sources.push(new KcpSocket(await world.network.datagrams({ hostname, port: 0 }), { world }));
  }
  try {
    await genuine(world, sources, at); // warms up
    const quietMs = await genuine(world, sources, at);
    const before = await resolver.usage();
    const startedMs = performance.now();
    let begun = 0;
    const forgers = Array.from({ length: AT_ONCE }, async () => {
      while (begun < FORGED) await forge(sources[begun++ % ADDRESSES]!, at);
    });
    await Promise.all(forgers);
    const tookMs = performance.now() - startedMs;
    const after = await resolver.usage();
    const silentMs = await flood(world, resolver, at);
    const { failed } = await resolver.ask<UdpCounters>("counters");
    if (failed < FORGED) throw new Error(`Only ${failed} forged handshakes were refused`);
    const flooded = await resolver.usage();
    const less = { lessIsBetter: true };
    return [
      { name: "10,000 forged handshakes, each to its signature", value: tookMs / 1_000, unit: "s", ...less },
      { name: "CPU of the resolver for one", value: cpuUs(before, after), unit: "us", ...less },
      {
        name: "heap that they leave",
        value: (after.heapBytes! - before.heapBytes!) / 1e6,
        unit: "MB",
        ...less,
      },
      { name: "RSS that they leave", value: (after.rssBytes - before.rssBytes) / 1e6, unit: "MB", ...less },
      { name: "a visor's handshake, quiet", value: quietMs, unit: "ms", ...less },
      { name: "a visor's handshake after 10,000 that say nothing", value: silentMs, unit: "ms", ...less },
      { name: "RSS after both", value: flooded.rssBytes / 1e6, unit: "MB", ...less },
    ];
  } finally {
    for (const source of sources) source.close(new Error("The bench is over"));
    await Promise.all(sources.map((source) => source.closed));
  }
}

const cpuUs = (before: { cpuSeconds: number }, after: { cpuSeconds: number }) =>
  (after.cpuSeconds - before.cpuSeconds) * 1e6 / FORGED;

/** The median time of a handshake. */
async function genuine(world: World, sources: readonly KcpSocket[], at: SocketAddress): Promise<number> {
  const tookMs: number[] = [];
  for (let index = 0; index < GENUINE; index++) tookMs.push(await prove(world, sources[index]!, at, visor));
  return percentile(tookMs, 0.5);
}

async function prove(world: World, source: KcpSocket, at: SocketAddress, local: KeyPair): Promise<number> {
  const startedMs = performance.now();
  const nobody = { localPort: 0, remote: undefined, remotePort: 0 };
  const conn = await openAddressHandshake(source.dial(at, { keepsWrites: true }), {
    world,
    local,
    ...nobody,
  });
  const tookMs = performance.now() - startedMs;
  conn.close(new Error("That was all"));
  return tookMs;
}

/** A whole handshake, with another's key and a signature that is not its own. */
async function forge(source: KcpSocket, at: SocketAddress): Promise<void> {
  const conn = source.dial(at, { keepsWrites: true });
  try {
    await conn.write(encoder.encode("get_nonce"));
    const nonce = JSON.parse(new TextDecoder().decode((await conn.read())!)).Nonce;
    const address = (key: string) => `{"public_key":"${key}","port":0}`;
    const claim = `"SrcAddr":${address(visor.publicKey)},"DstAddr":${address("0".repeat(66))}`;
    await conn.write(encoder.encode(`{${claim},"Nonce":${JSON.stringify(nonce)},"Sig":"${FORGERY}"}\n`));
    while (await conn.read() !== null);
  } catch {
    // refused, as it should be
  } finally {
    conn.close(new Error("That was all"));
  }
}

const FORGERY = toHex(sign(encoder.encode("something else"), visor.secretKey));

/** First datagrams without anything after them, from everywhere; then how long a visor waits for its handshake. */
async function flood(world: World, resolver: Child, at: SocketAddress): Promise<number> {
  for (let index = 0; index < ADDRESSES; index++) {
    const socket = await world.network.datagrams({ hostname: `127.2.0.${index + 1}`, port: 0 });
    for (let conversation = 0; conversation < FORGED / ADDRESSES; conversation++) {
      const header = { conversation, command: Command.push, fragment: 0, window: 32, timestamp: 0 };
      const first = encodeSegment({ ...header, number: 0, unacknowledged: 0 }, encoder.encode("get_nonce"));
      await socket.send(first, at);
    }
    socket.close();
  }
  await resolver.ask("counters");
  const source = new KcpSocket(await world.network.datagrams({ hostname: "127.3.0.1", port: 0 }), { world });
  const tookMs = await prove(world, source, at, visor);
  source.close(new Error("That was all"));
  await source.closed;
  return tookMs;
}
