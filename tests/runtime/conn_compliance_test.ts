/** Sockets of both worlds keep the Conn contract. @module */
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
  cannot: { truncate, reset: "the runtime sends no resets; real ones are tested apart" },
});

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
