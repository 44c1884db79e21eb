/** STUN: the samples of RFC 5769, damaged answers, and NATs as the probe sees them. @module */
import assert from "node:assert/strict";
import { fromHex, toHex } from "../../lib/crypto/mod.ts";
import { sleep, type SocketAddress } from "../../lib/runtime/mod.ts";
import type { Simulation } from "../../lib/runtime/simulated/mod.ts";
import { sudphCarrier } from "../../lib/transport/mod.ts";
import { NatProbe } from "../../lib/transport/sudph/_nat_probe.ts";
import {
  answerBindingRequest,
  answeredTransaction,
  encodeBindingRequest,
  mappedAddress,
} from "../../lib/transport/sudph/mod.ts";
import { withSimulation } from "../support/world.ts";
import { alice, bob } from "./support.ts";
import { RESOLVER_PORT, TestResolver } from "./sudph_support.ts";

const TRANSACTION = "b7e7a701bc34d686fa87dfae";
/** RFC 5769, sections 2.2 and 2.3. */
const SAMPLES: readonly [hex: string, address: SocketAddress][] = [
  [
    `0101003c2112a442${TRANSACTION}8022000b7465737420766563746f7220002000080001a147e112a643` +
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96",
    { hostname: "192.0.2.1", port: 32_853 },
  ],
  [
    `010100482112a442${TRANSACTION}8022000b7465737420766563746f7220002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9` +
    "00080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c",
    { hostname: "2001:db8:1234:5678:11:2233:4455:6677", port: 32_853 },
  ],
];
/** As servers of RFC 3489 answer: nothing is masked. */
const PLAIN = fromHex(`0101000c2112a442${TRANSACTION}0001000800011f90c0000207`);

Deno.test("answers of the standard's samples, and of older servers, are read", () => {
  for (const [hex, address] of SAMPLES) {
    const answer = fromHex(hex);
    assert.equal(toHex(answeredTransaction(answer)!), TRANSACTION);
    assert.deepEqual(mappedAddress(answer), address);
  }
  assert.deepEqual(mappedAddress(PLAIN), { hostname: "192.0.2.7", port: 8_080 });
  const request = encodeBindingRequest(fromHex(TRANSACTION));
  assert.equal(toHex(request), `000100002112a442${TRANSACTION}`);
  assert.equal(answeredTransaction(request), undefined);
});

Deno.test("what a server answers is what the older and the newer standard have, and only to binding requests", () => {
  const request = encodeBindingRequest(fromHex(TRANSACTION));
  const plain = answerBindingRequest(request, { hostname: "192.0.2.7", port: 8_080 }, { isMasked: false })!;
  assert.equal(toHex(plain), toHex(PLAIN));
  for (const [hex, seen] of SAMPLES) {
    const value = hex.slice(hex.indexOf("002000")).slice(0, seen.hostname.includes(":") ? 48 : 24);
    const answer = answerBindingRequest(request, seen, { isMasked: true })!;
    assert.equal(toHex(answer.subarray(20)), value, "the attribute of the sample");
    assert.deepEqual(mappedAddress(answer), seen);
    assert.deepEqual(answeredTransaction(answer), answeredTransaction(fromHex(hex)));
  }
  for (const other of [PLAIN, new Uint8Array(20), request.subarray(0, 19), new Uint8Array(0)]) {
    assert.equal(
      answerBindingRequest(other, { hostname: "192.0.2.7", port: 1 }, { isMasked: true }),
      undefined,
    );
  }
});

Deno.test("damaged answers give another address or none, and never fail", () => {
  let none = 0;
  for (const answer of [...SAMPLES.map(([hex]) => fromHex(hex)), PLAIN]) {
    for (let cut = 0; cut < answer.length; cut++) {
      assert.equal(answeredTransaction(answer.subarray(0, cut)), undefined);
      if (cut >= 20) mappedAddress(answer.subarray(0, cut));
    }
    for (let at = 20; at < answer.length; at++) {
      for (const value of [0, 1, 0x7f, 0xff]) {
        const mutant = answer.slice();
        mutant[at] = value;
        if (mappedAddress(mutant) === undefined) none++;
      }
    }
  }
  assert.ok(none > 0);
});

/** A server that sees each asker at the port that `seen` makes of its own. */
async function serveStun(simulation: Simulation, name: string, seen: (from: SocketAddress) => SocketAddress) {
  const world = simulation.node(name);
  const socket = await world.network.datagrams({ hostname: "0.0.0.0", port: 3_478 });
  const serving = (async () => {
    for (let got = await socket.receive(); got !== null; got = await socket.receive()) {
      if (got.bytes.length !== 20) continue;
      await socket.send(answerBindingRequest(got.bytes, seen(got.from), { isMasked: false })!, got.from);
    }
  })();
  return {
    address: { hostname: world.network.addresses()[1]!, port: 3_478 },
    async close() {
      socket.close();
      await serving;
    },
  };
}

const NATS: readonly [name: string, ports: (from: SocketAddress) => number[], isSymmetric: boolean][] = [
  ["no NAT", ({ port }) => [port, port], false],
  ["one port for all", () => [7_000, 7_000], false],
  ["a port for each", () => [7_000, 7_001], true],
];

for (const [name, ports, isSymmetric] of NATS) {
  Deno.test(`a visor behind ${name} is ${isSymmetric ? "not " : ""}bound for sudph`, () =>
    withSimulation(`stun ${name}`, async (simulation) => {
      await simulation.run(async () => {
        const servers = await Promise.all(
          [0, 1].map((which) =>
            serveStun(
              simulation,
              `stun${which}`,
              (from) => ({ hostname: "203.0.113.9", port: ports(from)[which]! }),
            )
          ),
        );
        const resolver = await TestResolver.start(simulation.node("resolver", { address: "198.51.100.1" }));
        const world = simulation.node("alice", { address: "203.0.113.1" });
        const carrier = sudphCarrier({
          world,
          local: alice,
          resolver: resolver.client(alice.publicKey),
          resolverAddress: async () => ({ hostname: "198.51.100.1", port: RESOLVER_PORT }),
          listen: { hostname: "0.0.0.0", port: 0 },
          addresses: () => [],
          stunServers: servers.map(({ address }) => address),
        });
        await carrier.start(() => {});
        const startMs = world.clock.monotonicMs();
        const { signal } = new AbortController();
        const code = isSymmetric ? "TRANSPORT_TYPE_UNAVAILABLE" : "PEER_ADDRESS_UNKNOWN";
        await assert.rejects(carrier.dial(bob.publicKey, { signal }), { code });
        assert.ok(world.clock.monotonicMs() - startMs < 1_000, "nobody waits longer than for the answers");
        await sleep(world.clock, 200);
        assert.equal(carrier.isBound, !isSymmetric);
        assert.equal(resolver.bound.size, isSymmetric ? 0 : 1);
        await carrier.close();
        await Promise.all([resolver.close(), ...servers.map((server) => server.close())]);
      });
    }));
}

Deno.test("servers that are silent, alone or forged decide nothing; what is lost is asked again", () =>
  withSimulation("stun silence", async (simulation) => {
    await simulation.run(async () => {
      const { clock, random } = simulation.node("alice");
      const server = (index: number) => ({ hostname: `192.0.2.${index}`, port: 3_478 });
      const { signal } = new AbortController();
      const sent: [Uint8Array, SocketAddress][] = [];
      const probe = new NatProbe({ clock, random }, (datagram, to) => sent.push([datagram, to]));
      const answer = (datagram: Uint8Array, port: number) =>
        probe.take(answerBindingRequest(datagram, { hostname: "9.9.9.9", port }, { isMasked: true })!);

      assert.equal(await probe.find([server(1)], signal), "unknown");
      assert.equal(sent.length, 0);
      const startMs = clock.monotonicMs();
      assert.equal(await probe.find([1, 2, 3, 4, 5, 6].map(server), signal), "unknown");
      assert.equal(sent.length, 4 * 3);
      assert.ok(clock.monotonicMs() - startMs < 3_000);
      assert.equal(answer(sent[0]![0], 5), false, "too late");

      sent.length = 0;
      const asking = probe.find([1, 2].map(server), signal);
      await sleep(clock, 500);
      assert.equal(sent.length, 4);
      assert.equal(probe.take(PLAIN), false, "of a question that was never asked");
      assert.equal(answer(sent[2]![0], 5), true);
      assert.equal(answer(sent[0]![0], 5), true, "the same one again");
      assert.equal(answer(sent[1]![0], 6), true);
      assert.equal(await asking, "symmetric");

      const over = new AbortController();
      const aborted = probe.find([1, 2].map(server), over.signal);
      over.abort(new Error("enough"));
      await assert.rejects(aborted, { message: "enough" });
    });
  }));
