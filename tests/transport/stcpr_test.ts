/** stcpr: when a visor is bound, and what is dialled for it. @module */
import assert from "node:assert/strict";
import type { PublicKey } from "../../lib/crypto/mod.ts";
import { sleep, type World } from "../../lib/runtime/mod.ts";
import { EphemeralPorts } from "../../lib/transport/_ephemeral_ports.ts";
import { parseIpAndPort } from "../../lib/transport/addresses.ts";
import {
  isLoopbackAddress,
  isPublicAddress,
  isTellableAddress,
  stcprCarrier,
  type StcprResolver,
  TransportManager,
} from "../../lib/transport/mod.ts";
import { withSimulation } from "../support/world.ts";
import { alice, bob } from "./support.ts";

type Known = Awaited<ReturnType<StcprResolver["resolve"]>>;

class WatchedResolver implements StcprResolver {
  readonly calls: { at: number; what: "bind" | "unbind"; port?: number; addresses?: readonly string[] }[] =
    [];
  fails = false;
  constructor(readonly nowMs: () => number, readonly known: () => Known = () => undefined) {}
  async bindStcpr({ port, addresses }: { port: number; addresses: readonly string[] }): Promise<void> {
    this.calls.push({ at: this.nowMs(), what: "bind", port, addresses });
    if (this.fails) throw new Error("unreachable");
  }
  async unbindStcpr(): Promise<void> {
    this.calls.push({ at: this.nowMs(), what: "unbind" });
  }
  async resolve(_type: "stcpr", _key: PublicKey): Promise<Known> {
    return this.known();
  }
}

function carrierOf(world: World, resolver: StcprResolver, addresses: string[], allowLoopback?: boolean) {
  const listen = { hostname: "0.0.0.0", port: 0 };
  return stcprCarrier({ world, local: alice, resolver, listen, addresses: () => addresses, allowLoopback });
}

Deno.test("a visor with a public address is bound at once, every 90 s, and unbound at its end", () =>
  withSimulation("stcpr bind", async (simulation) => {
    const world = simulation.node("alice");
    await simulation.run(async () => {
      const startMs = world.clock.monotonicMs();
      const resolver = new WatchedResolver(() => world.clock.monotonicMs() - startMs);
      const carrier = carrierOf(world, resolver, [
        "127.0.0.1",
        "192.168.1.7",
        "203.0.113.7",
        "fe80::1",
        "2001:db8::1",
      ]);
      await carrier.start(() => {});
      await sleep(world.clock, 3 * 90_000 + 5_000);
      assert.deepEqual(resolver.calls.map(({ at }) => Math.round(at / 1_000)), [0, 90, 180, 270]);
      for (const { port, addresses } of resolver.calls) {
        assert.equal(port, carrier.address!.port);
        assert.deepEqual(addresses, ["127.0.0.1", "192.168.1.7", "203.0.113.7", "2001:db8::1"]);
      }
      await carrier.close();
      assert.equal(resolver.calls.at(-1)!.what, "unbind");
    });
  }));

Deno.test("a bind that failed is tried again after ten seconds", () =>
  withSimulation("stcpr bind again", async (simulation) => {
    const world = simulation.node("alice");
    await simulation.run(async () => {
      const resolver = new WatchedResolver(() => world.clock.monotonicMs());
      resolver.fails = true;
      const carrier = carrierOf(world, resolver, ["203.0.113.7"]);
      await carrier.start(() => {});
      await sleep(world.clock, 35_000);
      assert.equal(resolver.calls.length, 4);
      await carrier.close();
    });
  }));

Deno.test("without a public address nothing is bound and nothing listens, unless it is allowed", () =>
  withSimulation("stcpr private", async (simulation) => {
    const world = simulation.node("alice");
    await simulation.run(async () => {
      for (const allowLoopback of [false, true]) {
        const resolver = new WatchedResolver(() => world.clock.monotonicMs());
        const carrier = carrierOf(world, resolver, ["127.0.0.1", "10.1.2.3"], allowLoopback);
        await carrier.start(() => {});
        await sleep(world.clock, 1_000);
        assert.equal(carrier.address !== undefined, allowLoopback);
        assert.equal(resolver.calls.length, allowLoopback ? 1 : 0);
        await carrier.close();
        assert.equal(resolver.calls.length, allowLoopback ? 2 : 0);
      }
    });
  }));

Deno.test("a resolver's private address is dialled only where it is allowed; unknown visors are told of", () =>
  withSimulation("stcpr dial", async (simulation) => {
    const [a, b] = [simulation.node("alice"), simulation.node("bob", { address: "10.9.9.9" })];
    await simulation.run(async () => {
      const far = stcprCarrier({
        world: b,
        local: bob,
        resolver: new WatchedResolver(() => 0),
        listen: { hostname: "0.0.0.0", port: 0 },
        addresses: () => ["10.9.9.9"],
        allowLoopback: true,
      });
      const server = new TransportManager({ world: b, local: bob, carriers: [far], onPackets: () => {} });
      await sleep(b.clock, 1);
      const { port } = far.address!;
      const nowhere = "10.200.0.1"; // nobody has that address
      const cases: [known: Known, allowLoopback: boolean, outcome: string][] = [
        [undefined, true, "PEER_ADDRESS_UNKNOWN"],
        [{ remoteAddress: "10.9.9.9", port, addresses: [], isLocal: false }, false, "PEER_ADDRESS_UNKNOWN"],
        [{ remoteAddress: "10.9.9.9", port, addresses: [], isLocal: false }, true, "live"],
        [{ remoteAddress: `10.9.9.9:${port}`, port: 1, addresses: [], isLocal: false }, true, "live"],
        [
          { remoteAddress: "203.0.113.1", port, addresses: [nowhere, "10.9.9.9"], isLocal: true },
          false,
          "live",
        ],
        [{ remoteAddress: "example.org", port, addresses: [], isLocal: false }, true, "PEER_ADDRESS_UNKNOWN"],
        [
          { remoteAddress: "127.0.0.1", port, addresses: ["127.0.0.1"], isLocal: true },
          false,
          "PEER_ADDRESS_UNKNOWN",
        ],
      ];
      for (const [known, allowLoopback, expected] of cases) {
        const resolver = new WatchedResolver(() => 0, () => known);
        const carrier = stcprCarrier({
          world: a,
          local: alice,
          resolver,
          addresses: () => [],
          allowLoopback,
        });
        const near = new TransportManager({
          world: a,
          local: alice,
          carriers: [carrier],
          onPackets: () => {},
        });
        const outcome = await near.dial(bob.publicKey, "stcpr").then(
          () => "live",
          (error) => {
            assert.match(error.hint, /"allow_loopback_addresses": true/);
            return (error.cause as { code: string }).code;
          },
        );
        assert.equal(outcome, expected, JSON.stringify(known));
        await near.close();
        await sleep(a.clock, 500);
      }
      await server.close();
    });
  }));

Deno.test("addresses: what is public, loopback, worth telling", () => {
  const cases: [text: string, isPublic: boolean, isLoopback: boolean, isTellable: boolean][] = [
    ["8.8.8.8", true, false, true],
    ["203.0.113.9", true, false, true],
    ["172.15.0.1", true, false, true],
    ["172.32.0.1", true, false, true],
    ["172.16.0.1", false, false, true],
    ["172.31.255.255", false, false, true],
    ["10.0.0.1", false, false, true],
    ["192.168.0.1", false, false, true],
    ["192.169.0.1", true, false, true],
    ["169.254.1.1", false, false, false],
    ["127.0.0.1", false, true, true],
    ["127.9.9.9", false, true, true],
    ["0.0.0.0", false, false, false],
    ["224.0.0.1", false, false, false],
    ["255.255.255.255", false, false, false],
    ["2001:db8::1", true, false, true],
    ["fe80::1", false, false, false],
    ["fd00::1", false, false, true],
    ["::1", false, true, true],
    ["::", false, false, false],
    ["ff02::1", false, false, false],
    ["example.org", false, false, false],
    ["", false, false, false],
  ];
  for (const [text, isPublic, isLoopback, isTellable] of cases) {
    assert.deepEqual([isPublicAddress(text), isLoopbackAddress(text), isTellableAddress(text)], [
      isPublic,
      isLoopback,
      isTellable,
    ], text);
  }
  assert.deepEqual(parseIpAndPort("[2001:db8::1]:7", 9), { hostname: "2001:db8::1", port: 7 });
  assert.deepEqual(parseIpAndPort("2001:db8::1", 9), { hostname: "2001:db8::1", port: 9 });
  assert.deepEqual(parseIpAndPort("1.2.3.4", 9), { hostname: "1.2.3.4", port: 9 });
  for (const text of ["", ":", "1.2.3.4:0", "1.2.3.4:65536", "1.2.3.4:x", "a:1", "[1.2.3.4", "1.2.3.4 "]) {
    assert.equal(parseIpAndPort(text, 9), undefined, text);
  }
});

Deno.test("source ports begin at 49153, come round, skip what is taken, and run out", () => {
  const ports = new EphemeralPorts();
  assert.equal(ports.take(), 49_153);
  const first = Array.from({ length: 16_382 }, () => ports.take());
  assert.equal(first.at(-1), 65_535);
  assert.equal(ports.take(), 49_152);
  assert.throws(() => ports.take(), { code: "LIMIT_REACHED" });
  ports.free(50_000);
  assert.equal(ports.take(), 50_000);
});
