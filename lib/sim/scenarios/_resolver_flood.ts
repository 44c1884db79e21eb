/**
 * A stranger who fills the address resolver's UDP side: sessions that ask for a nonce, acknowledge all that they are
 * told, and never prove a key (SV-3).
 *
 * @module
 */
import { ConnClosedError } from "../../base/mod.ts";
import { KcpSocket } from "../../kcp/mod.ts";
import {
  UDP_HANDSHAKE_TIMEOUT_MS,
  UDP_HANDSHAKES_MAX,
  UDP_HANDSHAKES_PER_ADDRESS_MAX,
} from "../../services/address_resolver/mod.ts";
import { type RoutedFleet, SERVICE_PORTS } from "../routed/mod.ts";

/** Each has its share of the handshakes, and one more. */
const STRANGERS = 5;
const PORTS = UDP_HANDSHAKES_PER_ADDRESS_MAX + 1;
/** Those that found no room at first have it once the first ones' time is over; then theirs is. */
const FLOOD_MS = 2 * UDP_HANDSHAKE_TIMEOUT_MS + 3_000;
const LOOK_MS = 100;

/** Rejects when more are let in than may be, or one for longer. */
export async function floodResolver(fleet: RoutedFleet): Promise<void> {
  const { simulation, resolver } = fleet;
  const to = { hostname: resolver.name, port: SERVICE_PORTS["address-resolver"] };
  const startedMs = simulation.nowMs;
  const sockets: KcpSocket[] = [];
  for (let stranger = 1; stranger <= STRANGERS; stranger++) {
    const world = simulation.node(`stranger-${stranger}`);
    for (let port = 0; port < PORTS; port++) {
      const datagrams = await world.network.datagrams({ hostname: "0.0.0.0", port: 0 });
      const socket = new KcpSocket(datagrams, { world });
      sockets.push(socket);
      socket.dial(to).write(new TextEncoder().encode("get_nonce")).catch(() => {}); // ends with its socket
    }
  }
  fleet.say(`${sockets.length} strangers begin a handshake with the address resolver`);
  resolver.failReceiving();
  let most = 0;
  while (simulation.nowMs - startedMs < FLOOD_MS) {
    await fleet.sleep(LOOK_MS);
    most = Math.max(most, resolver.udpCounters()?.handshakes ?? 0);
  }
  const counters = resolver.udpCounters();
  for (const socket of sockets) socket.close(new ConnClosedError(undefined, "The flood is over"));
  await Promise.all(sockets.map(({ closed }) => closed));
  if (counters === undefined) throw new TypeError("the address resolver hears nobody by UDP any more");
  if (most !== UDP_HANDSHAKES_MAX) throw new TypeError(`${most} handshakes at once`);
  const { failed, dropped, handshakes } = counters;
  fleet.say(`${most} handshakes at once, ${dropped} datagrams dropped, ${failed} handshakes failed`);
  if (dropped === 0) throw new TypeError("no handshake was refused");
  if (handshakes > UDP_HANDSHAKES_MAX / 2) {
    throw new TypeError(`${handshakes} handshakes of strangers are still there`);
  }
}
