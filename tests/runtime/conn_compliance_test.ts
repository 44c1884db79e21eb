/** Sockets of both worlds keep the Conn contract. @module */
import net from "node:net";
import { sleep, systemWorld } from "../../lib/runtime/mod.ts";
import { type LinkProfile, Simulation, WINDOW_BYTES } from "../../lib/runtime/simulated/mod.ts";
import { connCompliance } from "../base/conn_compliance.ts";

const truncate = "it has no frames";

connCompliance("TCP of the machine", async ({ ledger }) => {
  const { network } = systemWorld({ ledger });
  const listener = await network.listen({ hostname: "127.0.0.1", port: 0 });
  const [near, far] = await Promise.all([network.dial(listener.address), listener.accept()]);
  listener.close();
  return { near, far: far! };
}, {
  time: "real",
  takenInBytesMax: 16 << 20, // the system's buffers of both ends, which it sizes itself
  transferBytes: 64 << 20,
  pairs: 200,
  cannot: { truncate, reset: "Deno sends no resets: the next pair has a relay that does" },
});

connCompliance("TCP of the machine that can reset", async ({ ledger }) => {
  const { network } = systemWorld({ ledger });
  const listener = await network.listen({ hostname: "127.0.0.1", port: 0 }, { canReset: true });
  const [near, far] = await Promise.all([
    network.dial(listener.address, { canReset: true }),
    listener.accept(),
  ]);
  listener.close();
  return { near, far: far!, reset: () => far!.close(new Error("lost")) };
}, {
  time: "real",
  takenInBytesMax: 32 << 20,
  transferBytes: 64 << 20,
  pairs: 200,
  cannot: { truncate },
});

/** A relay in between, on `node:net`, which can send what Deno cannot: a reset. */
connCompliance("TCP of the machine through a relay", async ({ ledger }) => {
  const { network } = systemWorld({ ledger });
  const listener = await network.listen({ hostname: "127.0.0.1", port: 0 });
  const sockets: net.Socket[] = [];
  const relay = net.createServer({ allowHalfOpen: true }, (towardsNear) => {
    const towardsFar = net.connect({ port: listener.address.port, host: "127.0.0.1", allowHalfOpen: true });
    sockets.push(towardsNear, towardsFar);
    for (const socket of [towardsNear, towardsFar]) socket.on("error", () => socket.destroy());
    towardsNear.pipe(towardsFar).pipe(towardsNear);
  });
  await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
  const { port } = relay.address() as net.AddressInfo;
  const [near, far] = await Promise.all([
    network.dial({ hostname: "127.0.0.1", port }),
    listener.accept(),
  ]);
  listener.close();
  return {
    near,
    far: far!,
    reset: () => void sockets[0]!.resetAndDestroy(),
    async dispose() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => relay.close(resolve));
    },
  };
}, { time: "real", takenInBytesMax: 32 << 20, transferBytes: 8 << 20, pairs: 20, cannot: { truncate } });

function simulatedPairs(link: Partial<LinkProfile>) {
  return async ({ ledger }: Parameters<Parameters<typeof connCompliance>[1]>[0]) => {
    const simulation = new Simulation({ seed: 1, link: { latencyMs: 0, jitterMs: 0, ...link } });
    const alice = simulation.node("alice", { ledger });
    const bob = simulation.node("bob", { ledger });
    const [near, far] = await simulation.run(async () => {
      const listener = await bob.network.listen({ hostname: "0.0.0.0", port: 1 });
      const pair = await Promise.all([alice.network.dial({ hostname: "bob", port: 1 }), listener.accept()]);
      listener.close();
      return pair;
    }, { settleMs: 0 });
    let last: Promise<unknown> = Promise.resolve(); // some cases wait for several things at once
    const inTurn = (scenario: () => Promise<void>): Promise<void> => {
      const turn = last.then(() => simulation.run(scenario, { settleMs: 0 }));
      last = turn.catch(() => {});
      return turn;
    };
    return {
      near,
      far: far!,
      settle: () => inTurn(async () => {}),
      advance: (ms: number) => inTurn(() => sleep(alice.clock, ms)),
    };
  };
}

const simulated = {
  cannot: { truncate },
  takenInBytesMax: 2 * WINDOW_BYTES,
  transferBytes: 4 << 20,
  pairs: 50,
};

connCompliance("simulated TCP", simulatedPairs({ splitPct: 0 }), simulated);
connCompliance("simulated TCP whose reads are split", simulatedPairs({ splitPct: 60 }), simulated);
