/**
 * Transports over UDP where UDP is at its worst: behind NAT boxes, and on links that lose, delay, double and swap.
 *
 * @module
 */
import type { NatKind } from "../../runtime/simulated/mod.ts";
import { NAT_KINDS } from "../../runtime/simulated/mod.ts";
import { KNOWN_AFTER_MS, type RoutedFleet, type WholeVisor } from "../routed/mod.ts";
import type { RoutedScenario } from "../scenario.ts";
import { endOne } from "./_endings.ts";

/** Two boxes that both wait for the other one's port, which one of them changes for each place. */
const NEVER: readonly (readonly [NatKind, NatKind])[] = [
  ["port-restricted", "symmetric"],
  ["symmetric", "port-restricted"],
  ["symmetric", "symmetric"],
];
/** One that is told, and two that are not and cannot meet. */
const IN_EVERY_FLEET: readonly Partial<Omit<Place, "visor">>[] = [
  { kind: "symmetric", asks: true },
  { kind: "symmetric", asks: false },
  { kind: "port-restricted", asks: false },
];
/** NAT boxes have forgotten whatever was silent since. */
const IDLE_MS = 70_000;
/** A round trip, and one datagram that is sent again. */
const PONG_WITHIN_MS = 1_000;
/** Every question to STUN servers is over. */
const PROBED_WITHIN_MS = 3_000;
/** A punch may be lost; an application tries again. */
const TRIES = 3;

interface Place {
  readonly visor: WholeVisor;
  readonly kind: NatKind | "open";
  /** Its configuration names the STUN servers. */
  readonly asks: boolean;
}

export const natKinds: RoutedScenario = {
  name: "nat-kinds",
  summary:
    "visors behind NAT boxes of all kinds, told by STUN servers that die: who can meet by sudph does, and nobody else",
  routed: true,
  servers: 2,
  visors: 5,
  async run(fleet) {
    const places: Place[] = fleet.shuffled(fleet.whole).map((visor, at) => ({
      visor,
      kind: fleet.pick<NatKind | "open">(["open", ...NAT_KINDS]),
      asks: fleet.random.chance(70),
      ...IN_EVERY_FLEET[at],
    }));
    for (const { visor, kind } of places) if (kind !== "open") fleet.putBehind(visor, kind);
    const stun = fleet.addStunServers(2, places.filter(({ asks }) => asks).map(({ visor }) => visor));
    await fleet.settle();
    await fleet.sleep(5_000);
    const { sudph: bound } = await fleet.whole[0]!.node.services.addressResolver!.transports();
    for (const place of places) {
      mustFind(place, true);
      const { name, publicKey } = place.visor;
      const isBound = bound.includes(publicKey);
      if (isBound === (place.asks && place.kind === "symmetric")) {
        throw new TypeError(`${name} is${isBound ? "" : " not"} bound`);
      }
    }
    for (const [at, one] of places.entries()) {
      for (const other of places.slice(at + 1)) {
        await mustMeetOrNot(fleet, fleet.shuffled([one, other]) as [Place, Place]);
      }
    }
    const dying = fleet.pick(stun);
    const telling = places.filter(({ kind, asks }) => asks && kind === "symmetric");
    const again = fleet.pick(telling.concat(fleet.pick(places)));
    for (const isTold of [false, true]) {
      if (isTold) await dying.start();
      else dying.kill(fleet.pick(["silent", "reset"]));
      await restarted(fleet, again.visor);
      mustFind(again, isTold);
      for (const other of places) if (other !== again) await mustMeetOrNot(fleet, [again, other]);
    }
    await fleet.sleep(IDLE_MS);
    for (const { visor: { name, node } } of places) {
      for (const transport of node.transports.transports()) {
        const tookMs = await transport.ping();
        if (tookMs > PONG_WITHIN_MS) {
          throw new TypeError(`a pong on a transport of ${name} took ${tookMs} ms`);
        }
      }
    }
    fleet.startTraffic();
    await fleet.sleep(30_000);
  },
};

/** Two servers tell a box that is symmetric from all others, and one tells nothing. */
function mustFind({ visor: { name, node }, kind, asks }: Place, isTold: boolean): void {
  const expected = asks && isTold ? kind === "symmetric" ? "symmetric" : "steady" : "unknown";
  const { nat } = node.sudph!;
  if (nat !== expected) throw new TypeError(`${name} (${kind}) finds its NAT ${nat}, not ${expected}`);
}

/** The first dials the other: they meet where their boxes let them, and neither was told that it has no sudph. */
async function mustMeetOrNot(fleet: RoutedFleet, [from, to]: readonly [Place, Place]): Promise<void> {
  const isPossible = !NEVER.some(([a, b]) => from.kind === a && to.kind === b) &&
    [from, to].every(({ visor }) => visor.node.sudph!.nat !== "symmetric");
  const hasMet = await meets(from.visor, to.visor, isPossible ? TRIES : 1);
  const pair = `${from.visor.name} (${from.kind}) and ${to.visor.name} (${to.kind})`;
  fleet.say(`${pair} ${hasMet ? "meet" : "do not meet"}`);
  if (hasMet !== isPossible) throw new TypeError(`${pair} ${hasMet ? "met" : "did not meet"} by sudph`);
}

async function restarted(fleet: RoutedFleet, visor: WholeVisor): Promise<void> {
  await endOne(fleet, visor);
  await visor.start();
  await visor.ready(new AbortController().signal);
  await fleet.sleep(PROBED_WITHIN_MS);
  await fleet.untilBound();
}

async function meets(from: WholeVisor, to: WholeVisor, tries: number): Promise<boolean> {
  for (let attempt = 0; attempt < tries; attempt++) {
    try {
      await from.node.transports.dial(to.publicKey, "sudph", { label: "user" });
      return true;
    } catch { /* once more, or it is the answer */ }
  }
  return false;
}

const LOSSY = { burstLossPct: 3, jitterMs: 40, reorderPct: 5, duplicatePct: 1 } as const;
const WELL = { burstLossPct: 0, jitterMs: 2, reorderPct: 0, duplicatePct: 0 } as const;

export const lossyUdp: RoutedScenario = {
  name: "lossy-udp",
  summary: "every UDP path loses 3 % in bursts, delays, doubles and swaps; routes over sudph lose no byte",
  routed: true,
  servers: 2,
  visors: 3,
  async run(fleet) {
    const row = fleet.shuffled(fleet.whole);
    for (const { world } of row) void world; // is switched on
    for (const [at, { name }] of row.entries()) {
      for (const other of [...row.slice(at + 1), fleet.resolver]) {
        void other.world; // is switched on
        fleet.simulation.link(name, other.name, LOSSY);
      }
    }
    fleet.say("paths between visors, and to the resolver, lose, delay, double and swap");
    await fleet.settle();
    for (let at = 1; at < row.length; at++) {
      await fleet.retried("a sudph transport", async () => {
        await fleet.link(row[at - 1]!, row[at]!, "sudph");
      }, 60_000);
    }
    await fleet.sleep(KNOWN_AFTER_MS);
    row[0]!.route = row.at(-1)!.route = { minHops: 2 };
    fleet.startTraffic();
    await fleet.sleep(60_000);
    await fleet.stopTraffic();
    const { complete, cut } = fleet.traffic.counts;
    if (cut > 0 || complete === 0) throw new TypeError(`${complete} streams are complete, ${cut} were cut`);
    for (const [at, { name }] of row.entries()) {
      for (const other of [...row.slice(at + 1), fleet.resolver]) {
        fleet.simulation.link(name, other.name, WELL);
      }
    }
    fleet.say("every path is well");
  },
};
