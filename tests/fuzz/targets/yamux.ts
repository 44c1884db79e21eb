/** A yamux session that is fed with damaged recordings. @module */
import { memoryPair } from "../../../lib/base/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { YAMUX_LIMITS, YamuxSession, type YamuxStream } from "../../../lib/yamux/mod.ts";
import { bytesOf, splitHandshake } from "../../dmsg/_recording.ts";
import { byteMutants } from "../_mutants.ts";
import { alone, ended } from "../_rig.ts";
import type { FuzzTarget } from "../_target.ts";

const recordings = (["a", "b"] as const).flatMap((party) =>
  (["c2s", "s2c"] as const).map((direction) => splitHandshake(bytesOf(party, direction), direction).mux)
);
// The fronts of them as well: in whole recordings most changes are far from the first frames.
const seeds = [...recordings, ...recordings.map((recording) => recording.subarray(0, 200))];

/** What an accepting side does with a stream: one of these, by its number. */
function use(stream: YamuxStream): void {
  const act = stream.id % 5;
  if (act === 0) stream.close();
  else if (act === 1) stream.close(new Error("fuzz"));
  else if (act === 2) stream.write(new Uint8Array(300)).catch(() => {});
  else {void (async () => {
      for (let view = await stream.read(); view !== null; view = await stream.read());
      await stream.closeWrite();
    })().catch(() => {});}
}

function feed(role: "client" | "server", bytes: Uint8Array): Promise<unknown> {
  return alone(async (ledger) => {
    const clock = new VirtualClock({ ledger });
    const [near, far] = memoryPair({ bytesMax: 1 << 20, ledger });
    const session = new YamuxSession(near, { role, world: { clock, ledger }, onStream: use });
    use(session.open());
    for (let offset = 0, step = 1; offset < bytes.length; offset += step, step = step * 3 % 4_001) {
      void far.write(bytes.subarray(offset, offset + step)).catch(() => {});
    }
    if (bytes.length % 2 === 0) void far.closeWrite().catch(() => {});
    const draining = (async () => {
      for (let view = await far.read(); view !== null; view = await far.read());
    })().catch(() => {});
    await clock.advance(0);
    const streams = session.streamCount;
    if (streams > YAMUX_LIMITS.streamsMax) throw new Error(`${streams} streams`);
    const { isLive } = session;
    try {
      await ended(clock, session.closed); // a peer that says no more is noticed by its missing pong
    } finally {
      far.close();
      await Promise.all([draining, far.closed]);
    }
    if (session.failure !== undefined && !isLive) throw session.failure;
    return streams;
  });
}

export const yamuxTargets: readonly FuzzTarget[] = (["client", "server"] as const).map((role) => ({
  name: `yamux/${role}`,
  inputs: byteMutants(seeds),
  feed: (bytes: Uint8Array) => feed(role, bytes),
}));
