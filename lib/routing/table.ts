/**
 * The routing table: which rule a route id has, and which rules nobody uses any more (protocol: routing,
 * section 5).
 *
 *     rules:   route id -> entry                       one look-up per packet
 *     leaving, coming: transport -> entries            all that end with it, without a look at the others
 *     due:     10 s slot -> entries to look at then    a rule is looked at once per keep-alive, not each time
 *
 * A look-up of a consume rule is its activity; the other kinds are active when a packet went out by them. One
 * timer runs, and only while there are rules.
 *
 * @module
 */
import type { PublicKey } from "../crypto/mod.ts";
import type { Timer, World } from "../runtime/mod.ts";
import type { TransportId } from "../transport/mod.ts";
import { CountedRouteIds, type RouteIds } from "./_route_ids.ts";
import { RouteRuleError, RouteTableFullError } from "./errors.ts";
import { grantedKeepAlive, type Rule } from "./rule.ts";

/** Rules that one router holds, about 30 MB of them: enough for 30,000 routes through it. */
export const RULES_MAX = 65_536;
/** One transport's packets, and one source's ends, have at most the part of a table that is 1 / this. */
export const RULES_SHARE = 4;
/** A rule by which no packet ever came makes room after this time, when the table is full. */
export const RULE_UNUSED_MS = 60_000;
/** How often unused rules are looked for. */
export const GARBAGE_INTERVAL_MS = 10_000;

const NS_PER_MS = 1_000_000n;

/** A rule in the table. Whoever passes packets by it calls {@link touch}. `Owner` is told when it goes. */
export class RuleEntry<Owner = unknown> {
  /** The longest time unused. */
  keepAliveMs: number;
  /** Monotonic. */
  readonly savedMs: number;
  lastActiveMs: number;
  /** Whose packets a consume rule's are, and whose a forward rule's were. */
  owner: Owner | undefined;
  /** The transport that its packets come over; undefined before the first one. */
  from: TransportId | undefined;
  /** Those of a relay that one call installed, itself included: a route's way there and its way back. */
  installedWith: readonly RuleEntry<Owner>[] = [];
  /** Uncounts it in the ledger. */
  readonly release: () => void;
  slot = 0;

  constructor(readonly rule: Rule, nowMs: number, release: () => void) {
    this.keepAliveMs = Number(grantedKeepAlive(rule.keepAliveNs) / NS_PER_MS);
    this.savedMs = this.lastActiveMs = nowMs;
    this.release = release;
  }

  /** The rule was used. */
  touch(nowMs: number): void {
    this.lastActiveMs = nowMs;
  }

  /** Unused for longer than its keep-alive. */
  isStale(nowMs: number): boolean {
    return nowMs - this.lastActiveMs > this.keepAliveMs;
  }
}

export class RoutingTable<Owner = unknown> {
  readonly #world: Pick<World, "clock" | "ledger">;
  readonly #rulesMax: number;
  readonly #ids: RouteIds;
  readonly #onGone: (entry: RuleEntry<Owner>) => void;
  readonly #entries = new Map<number, RuleEntry<Owner>>();
  readonly #leaving = new TransportIndex<Owner>();
  readonly #coming = new TransportIndex<Owner>();
  readonly #unused = new Set<RuleEntry<Owner>>(); // no packet came by them yet; the oldest first
  readonly #endsOf = new Map<PublicKey, number>(); // consume rules by their source
  readonly #due = new Map<number, Set<RuleEntry<Owner>>>();
  #nextSlot = 0;
  #timer: Timer | undefined;

  /**
   * `onGone` is called for each entry that timed out, was deleted or overwritten, after it left the table. Default
   * of `ids`: counted ones, which every neighbour can foresee.
   */
  constructor(
    { world, onGone, rulesMax = RULES_MAX, ids = new CountedRouteIds() }: {
      world: Pick<World, "clock" | "ledger">;
      onGone: (entry: RuleEntry<Owner>) => void;
      rulesMax?: number;
      ids?: RouteIds;
    },
  ) {
    this.#world = world;
    this.#rulesMax = rulesMax;
    this.#ids = ids;
    this.#onGone = onGone;
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * `count` further ids; never 0, never one twice. Reserved ids do not expire.
   * Errors: `RouteTableFullError` when the ids are used up.
   */
  reserve(count: number): number[] {
    return this.#ids.take(count);
  }

  /**
   * Puts a rule in, in the place of one with the same id. One of our own dials (`isOwn`) always has room: others do
   * not fill the table against us. Errors: `RouteRuleError` for an id that was never reserved here,
   * `RouteTableFullError`.
   */
  save(rule: Rule, { isOwn = false }: { readonly isOwn?: boolean } = {}): RuleEntry<Owner> {
    const { routeId } = rule;
    if (!this.#ids.wasTaken(routeId)) {
      throw new RouteRuleError(`Route id ${routeId} was not reserved here`);
    }
    const old = this.#entries.get(routeId);
    if (old === undefined && !isOwn && this.#entries.size >= this.#rulesMax && !this.#makeRoom()) {
      throw new RouteTableFullError(`The routing table is full: ${this.#rulesMax} rules`);
    }
    if (old !== undefined) this.remove(old);
    const nowMs = this.#world.clock.monotonicMs();
    const entry = new RuleEntry<Owner>(rule, nowMs, this.#world.ledger.open("route-rule"));
    this.#entries.set(routeId, entry);
    if (rule.kind !== "consume") this.#leaving.add(rule.nextTransportId, entry);
    else this.#countEnd(rule.descriptor.source.publicKey, 1);
    if (rule.kind !== "forward") this.#unused.add(entry);
    if (this.#timer === undefined) {
      this.#nextSlot = slotOf(nowMs);
      this.#arm();
    }
    this.#enrol(entry, this.#nextSlot);
    return entry;
  }

  /** Puts rules in, all or none. Errors: as {@link save}. */
  saveAll(rules: readonly Rule[], options?: { readonly isOwn?: boolean }): RuleEntry<Owner>[] {
    const saved: RuleEntry<Owner>[] = [];
    try {
      for (const rule of rules) saved.push(this.save(rule, options));
    } catch (error) {
      for (const entry of saved) this.remove(entry);
      throw error;
    }
    return saved;
  }

  /** The rule for a packet that just came; undefined when there is none, or it timed out. */
  lookUp(routeId: number, nowMs: number): RuleEntry<Owner> | undefined {
    const entry = this.#entries.get(routeId);
    if (entry === undefined) return undefined;
    if (entry.isStale(nowMs)) {
      this.remove(entry);
      return undefined;
    }
    if (entry.rule.kind === "consume") entry.lastActiveMs = nowMs;
    return entry;
  }

  /**
   * Its packets come over that transport: from now on over no other. False, and the rule is gone, when those of
   * that transport have their share of the table.
   */
  learn(entry: RuleEntry<Owner>, from: TransportId): boolean {
    if (this.#coming.count(from) >= this.#rulesMax / RULES_SHARE) {
      this.remove(entry);
      return false;
    }
    entry.from = from;
    this.#unused.delete(entry);
    this.#coming.add(from, entry);
    return true;
  }

  /** Errors: `RouteTableFullError` when the ends of routes of that source have their share of the table. */
  checkShare(source: PublicKey): void {
    if (2 * (this.#endsOf.get(source) ?? 0) < this.#rulesMax / RULES_SHARE) return; // two rules each
    throw new RouteTableFullError(`The routes of ${source} have their share of the routing table`);
  }

  /** The oldest rule goes by which no packet ever came, if it had the time for one. */
  #makeRoom(): boolean {
    const [oldest] = this.#unused;
    const nowMs = this.#world.clock.monotonicMs();
    if (oldest === undefined || nowMs - oldest.savedMs < RULE_UNUSED_MS) return false;
    this.remove(oldest);
    return true;
  }

  #countEnd(source: PublicKey, by: 1 | -1): void {
    const count = (this.#endsOf.get(source) ?? 0) + by;
    if (count === 0) this.#endsOf.delete(source);
    else this.#endsOf.set(source, count);
  }

  /** The rules that send over a transport. */
  leavingOver(id: TransportId): RuleEntry<Owner>[] {
    return this.#leaving.of(id);
  }

  /** The rules whose packets come over a transport. */
  comingOver(id: TransportId): RuleEntry<Owner>[] {
    return this.#coming.of(id);
  }

  /** Whether a rule needs that transport, in either direction. */
  uses(id: TransportId): boolean {
    return this.#leaving.has(id) || this.#coming.has(id);
  }

  /** Whether the entry is still in. */
  holds(entry: RuleEntry<Owner>): boolean {
    return this.#entries.get(entry.rule.routeId) === entry;
  }

  /** The rule of an id, without any effect. */
  find(routeId: number): Rule | undefined {
    return this.#entries.get(routeId)?.rule;
  }

  /** Removes rules; ids without one are skipped. Gives those that there were. */
  delete(routeIds: Iterable<number>): Rule[] {
    const deleted: Rule[] = [];
    for (const routeId of routeIds) {
      const entry = this.#entries.get(routeId);
      if (entry === undefined) continue;
      this.remove(entry);
      deleted.push(entry.rule);
    }
    return deleted;
  }

  /** Removes this entry, unless another one took its place. */
  remove(entry: RuleEntry<Owner>): void {
    if (!this.holds(entry)) return;
    this.#entries.delete(entry.rule.routeId);
    if (entry.rule.kind !== "consume") this.#leaving.delete(entry.rule.nextTransportId, entry);
    else this.#countEnd(entry.rule.descriptor.source.publicKey, -1);
    this.#unused.delete(entry);
    if (entry.from !== undefined) this.#coming.delete(entry.from, entry);
    this.#withdraw(entry);
    if (this.#entries.size === 0) {
      this.#timer?.cancel();
      this.#timer = undefined;
    }
    entry.release();
    this.#onGone(entry);
  }

  /** From now on the entry goes when it is unused for `idleMs`, unless its keep-alive is shorter. */
  hasten(entry: RuleEntry<Owner>, idleMs: number): void {
    if (!this.holds(entry) || entry.keepAliveMs <= idleMs) return;
    entry.keepAliveMs = idleMs;
    entry.touch(this.#world.clock.monotonicMs());
    this.#withdraw(entry);
    this.#enrol(entry, this.#nextSlot);
  }

  /** Every rule, in the order in which they came. */
  rules(): Rule[] {
    return Array.from(this.#entries.values(), ({ rule }) => rule);
  }

  /** Every rule with its time unused, in the order in which they came. */
  states(): { readonly rule: Rule; readonly idleMs: number }[] {
    const nowMs = this.#world.clock.monotonicMs();
    return Array.from(
      this.#entries.values(),
      ({ rule, lastActiveMs }) => ({ rule, idleMs: nowMs - lastActiveMs }),
    );
  }

  /** Removes all. */
  clear(): void {
    for (const entry of [...this.#entries.values()]) this.remove(entry);
  }

  /** Has it looked at when its time may be up, not before the slot `earliest`. */
  #enrol(entry: RuleEntry<Owner>, earliest: number): void {
    const slot = Math.max(slotOf(entry.lastActiveMs + entry.keepAliveMs) + 1, earliest);
    entry.slot = slot;
    const peers = this.#due.get(slot);
    if (peers === undefined) this.#due.set(slot, new Set([entry]));
    else peers.add(entry);
  }

  #withdraw(entry: RuleEntry<Owner>): void {
    const peers = this.#due.get(entry.slot);
    peers?.delete(entry);
    if (peers?.size === 0) this.#due.delete(entry.slot);
  }

  #arm(): void {
    this.#timer = this.#world.clock.timer(GARBAGE_INTERVAL_MS, () => {
      this.#timer = undefined;
      this.#collect();
      if (this.#entries.size > 0 && this.#timer === undefined) this.#arm();
    });
  }

  /** Looks at the rules whose time may be up. Those that were used since are enrolled for later. */
  #collect(): void {
    const nowMs = this.#world.clock.monotonicMs();
    const last = slotOf(nowMs);
    for (; this.#nextSlot <= last; this.#nextSlot++) {
      const peers = this.#due.get(this.#nextSlot);
      if (peers === undefined) continue;
      this.#due.delete(this.#nextSlot);
      for (const entry of peers) {
        if (entry.isStale(nowMs)) this.remove(entry);
        else if (this.holds(entry)) this.#enrol(entry, last + 1);
      }
    }
  }
}

/** Entries by transport. */
class TransportIndex<Owner> {
  readonly #sets = new Map<TransportId, Set<RuleEntry<Owner>>>();

  add(id: TransportId, entry: RuleEntry<Owner>): void {
    const entries = this.#sets.get(id);
    if (entries === undefined) this.#sets.set(id, new Set([entry]));
    else entries.add(entry);
  }

  delete(id: TransportId, entry: RuleEntry<Owner>): void {
    const entries = this.#sets.get(id);
    entries?.delete(entry);
    if (entries?.size === 0) this.#sets.delete(id);
  }

  has(id: TransportId): boolean {
    return this.#sets.has(id);
  }

  count(id: TransportId): number {
    return this.#sets.get(id)?.size ?? 0;
  }

  of(id: TransportId): RuleEntry<Owner>[] {
    return [...this.#sets.get(id) ?? []];
  }
}

function slotOf(ms: number): number {
  return Math.floor(ms / GARBAGE_INTERVAL_MS);
}
