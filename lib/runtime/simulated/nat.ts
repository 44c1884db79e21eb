/**
 * A NAT box: machines behind one public address, and what it lets in from outside (RFC 3489, section 5; RFC 4787).
 *
 *     kind             a port outside for       lets in
 *     full-cone        each inside port         everybody
 *     restricted       each inside port         addresses that the port sent to
 *     port-restricted  each inside port         addresses with the ports that it sent to
 *     symmetric        each inside port and     the one that it is for
 *                      place that it sends to
 *
 * No hairpin: what comes from inside to the box's own address is dropped.
 *
 * @module
 */
import { renderSocketAddress } from "../errors.ts";
import type { SocketAddress } from "../world.ts";

export type NatKind = "full-cone" | "restricted" | "port-restricted" | "symmetric";

/** The kinds, the most open first. */
export const NAT_KINDS: readonly NatKind[] = ["full-cone", "restricted", "port-restricted", "symmetric"];

/** A mapping, and each place that it lets in, is forgotten when nothing went out for so long. Home routers: 30 s. */
export const NAT_MAPPING_MS = 30_000;
/** Ports that a box gives out; when all are taken, what would need another is dropped. */
const PORT_MIN = 1_024;
const PORTS_MAX = 65_536 - PORT_MIN;
/** The first port given out; not the one that is used inside. */
const PORT_FIRST = 20_000;
/** Places outside that one mapping lets in. */
const PLACES_MAX = 4_096;

export interface NatBoxOptions {
  readonly name: string;
  /** Its public address. */
  readonly address: string;
  readonly kind: NatKind;
  /** Default {@link NAT_MAPPING_MS}. */
  readonly mappingMs?: number;
}

interface Mapping {
  readonly key: string;
  readonly inside: SocketAddress;
  readonly port: number;
  /** When something went out, to anywhere. */
  lastOutMs: number;
  /** Whom it lets in, with the time at which something went out to them. */
  readonly places: Map<string, number>;
}

export class NatBox {
  readonly name: string;
  readonly address: string;
  readonly kind: NatKind;
  readonly #mappingMs: number;
  readonly #byKey = new Map<string, Mapping>();
  readonly #byPort = new Map<number, Mapping>();
  #nextPort = PORT_FIRST;

  constructor({ name, address, kind, mappingMs = NAT_MAPPING_MS }: NatBoxOptions) {
    this.name = name;
    this.address = address;
    this.kind = kind;
    this.#mappingMs = mappingMs;
  }

  /** What a datagram's source looks like outside; undefined when the box has no port left. */
  outbound(inside: SocketAddress, to: SocketAddress, nowMs: number): SocketAddress | undefined {
    const source = renderSocketAddress(inside);
    const key = this.kind === "symmetric" ? `${source}>${renderSocketAddress(to)}` : source;
    let mapping = this.#live(this.#byKey.get(key), nowMs);
    if (mapping === undefined) {
      const port = this.#freePort(nowMs);
      if (port === undefined) return undefined;
      mapping = { key, inside, port, lastOutMs: nowMs, places: new Map() };
      this.#byKey.set(key, mapping);
      this.#byPort.set(port, mapping);
    }
    mapping.lastOutMs = nowMs;
    this.#letIn(mapping, to, nowMs);
    return { hostname: this.address, port: mapping.port };
  }

  /** Where a datagram to one of its ports goes; undefined when it is dropped. Renews nothing. */
  inbound(port: number, from: SocketAddress, nowMs: number): SocketAddress | undefined {
    const mapping = this.#live(this.#byPort.get(port), nowMs);
    if (mapping === undefined) return undefined;
    if (this.kind === "full-cone") return mapping.inside;
    const lastOutMs = mapping.places.get(this.#place(from));
    return lastOutMs !== undefined && nowMs - lastOutMs < this.#mappingMs ? mapping.inside : undefined;
  }

  /** Who has a port, whomever it lets in. */
  insideOf(port: number, nowMs: number): SocketAddress | undefined {
    return this.#live(this.#byPort.get(port), nowMs)?.inside;
  }

  /** What a TCP connection's source looks like outside. */
  tcpSource(): SocketAddress {
    return { hostname: this.address, port: this.#takePort() };
  }

  /** Forgets everything about datagrams, as when the power fails. Ports are not given out again at once. */
  forget(): void {
    this.#byKey.clear();
    this.#byPort.clear();
  }

  #letIn(mapping: Mapping, to: SocketAddress, nowMs: number): void {
    const place = this.#place(to);
    if (mapping.places.size >= PLACES_MAX && !mapping.places.has(place)) {
      for (const [other, lastMs] of mapping.places) {
        if (nowMs - lastMs >= this.#mappingMs) mapping.places.delete(other);
      }
      if (mapping.places.size >= PLACES_MAX) return;
    }
    mapping.places.set(place, nowMs);
  }

  #place(address: SocketAddress): string {
    return this.kind === "restricted" ? address.hostname : renderSocketAddress(address);
  }

  #live(mapping: Mapping | undefined, nowMs: number): Mapping | undefined {
    if (mapping === undefined || nowMs - mapping.lastOutMs < this.#mappingMs) return mapping;
    this.#byKey.delete(mapping.key);
    this.#byPort.delete(mapping.port);
    return undefined;
  }

  #freePort(nowMs: number): number | undefined {
    if (this.#byPort.size >= PORTS_MAX) {
      for (const mapping of [...this.#byPort.values()]) this.#live(mapping, nowMs);
    }
    if (this.#byPort.size >= PORTS_MAX) return undefined;
    for (;;) {
      const port = this.#takePort();
      if (!this.#byPort.has(port)) return port;
    }
  }

  #takePort(): number {
    const port = this.#nextPort++;
    if (this.#nextPort > 65_535) this.#nextPort = PORT_MIN;
    return port;
  }
}
