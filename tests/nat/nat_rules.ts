/**
 * Kinds of NAT as rules of nftables.
 *
 * All keep the port, as routers do that can, but the symmetric one, which gives each destination another. They
 * differ in who may send to a port that is mapped:
 *
 * | kind             | lets in                                     |
 * | ---------------- | ------------------------------------------- |
 * | `full-cone`      | everybody                                   |
 * | `restricted`     | every port of hosts that it was sent to     |
 * | `port-restricted`| the addresses and ports that it was sent to |
 * | `symmetric`      | the same                                    |
 *
 * What nobody asked for is dropped in silence, so that it leaves no trace in the table of connections.
 *
 * @module
 */

export const NAT_KINDS = ["full-cone", "restricted", "port-restricted", "symmetric"] as const;
export type NatKind = typeof NAT_KINDS[number];

export interface NatPlace {
  /** The device of the router that is public. */
  readonly outside: string;
  /** The host behind it. */
  readonly inside: string;
  /** Whose packets are not counted. */
  readonly known: string;
}

/** A mapping is forgotten after this time without a packet to the outside. */
const MAPPING = "60s";

/** For `nft`. Its counter `met` counts UDP that comes in from others than `known`. */
export function rulesOf(kind: NatKind, { outside, inside, known }: NatPlace): string {
  const opened = {
    "full-cone": `iifname "${outside}" udp dport @mapped dnat to ${inside}`,
    "restricted": `iifname "${outside}" ip saddr . udp dport @heard dnat to ${inside}`,
    "port-restricted": "",
    "symmetric": "",
  }[kind];
  return `table ip sky {
  counter met { }
  set mapped { type inet_service; flags dynamic,timeout; timeout ${MAPPING}; }
  set heard { type ipv4_addr . inet_service; flags dynamic,timeout; timeout ${MAPPING}; }
  chain in { type nat hook prerouting priority -100; ${opened}
  }
  chain out { type nat hook postrouting priority 100;
    oifname "${outside}" masquerade ${kind === "symmetric" ? "fully-random" : ""}
  }
  chain pass { type filter hook forward priority 0; policy drop;
    oifname "${outside}" meta l4proto udp update @mapped { udp sport }
    oifname "${outside}" meta l4proto udp update @heard { ip daddr . udp sport }
    iifname "${outside}" meta l4proto udp ip saddr != ${known} ct status dnat counter name met accept
    iifname "${outside}" meta l4proto udp ip saddr != ${known} ct state established counter name met accept
    iifname "lan" accept
    ct state established,related accept
  }
  chain own { type filter hook input priority 0; iifname "${outside}" drop
  }
}`;
}
