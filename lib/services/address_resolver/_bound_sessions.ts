/**
 * Which session speaks for a key, and what the store holds by it: one session a key, the newest that bound, also where
 * several resolvers share the store and each has a UDP side.
 *
 * @module
 */
import { ConnClosedError, type Log } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import type { Clock } from "../../runtime/mod.ts";
import { StoreFailures } from "../hosting/mod.ts";
import type { BindingStore } from "../store/mod.ts";
import type { Listener } from "./_binding.ts";
import type { UdpSession } from "./_udp_session.ts";
import { BINDING_TTL_MS } from "./settings.ts";

/** A heartbeat renews a binding when this share of its life is over, or of the default one: a write for each would be many. */
const RENEWED_AFTER_SHARE = 0.2;

export interface BoundSessionsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly store: BindingStore;
  /** Life of a binding in the store; 0: until it is removed. */
  readonly ttlMs: number;
  /** This UDP side among those of all instances on the store. */
  readonly holder: string;
}

export class BoundSessions {
  readonly #options: BoundSessionsOptions;
  readonly #failures: StoreFailures;
  readonly #byKey = new Map<PublicKey, UdpSession>();

  constructor(options: BoundSessionsOptions) {
    this.#options = options;
    this.#failures = new StoreFailures(options.log, options.clock, "Sudph bindings cannot be kept");
  }

  get size(): number {
    return this.#byKey.size;
  }

  of(key: PublicKey): UdpSession | undefined {
    return this.#byKey.get(key);
  }

  /** Binds, or binds anew. True when an older session of the key ends for it. */
  async bind(session: UdpSession, listener: Listener): Promise<boolean> {
    const older = this.#byKey.get(session.key);
    this.#byKey.set(session.key, session);
    session.bound = { listener, storedAtMs: undefined };
    const isReplaced = older !== undefined && older !== session;
    if (isReplaced) older.close(new ConnClosedError(undefined, "A newer session of the key"));
    await this.#put(session);
    await this.#say(session.key);
    return isReplaced;
  }

  /** A session of `key` began elsewhere: it is the one that counts, unless ours bound after it. */
  async boundElsewhere(key: PublicKey): Promise<void> {
    const session = this.#byKey.get(key);
    if (session?.bound?.storedAtMs === undefined) return; // ours is just about to bind
    const binding = await this.#options.store.get("sudph", key);
    const holder = binding?.holder ?? this.#options.holder;
    if (holder === this.#options.holder || this.#byKey.get(key) !== session) return;
    this.#byKey.delete(key);
    session.close(new ConnClosedError(undefined, "A newer session of the key with another instance"));
  }

  /** A sign of life: what is bound lives on, and is there again where the store has lost it. */
  async renew(session: UdpSession): Promise<void> {
    const { clock, ttlMs } = this.#options;
    const storedAtMs = session.bound?.storedAtMs;
    const lifeMs = Math.min(ttlMs || Infinity, BINDING_TTL_MS); // however long it is, a store may lose it sooner
    const isFresh = storedAtMs !== undefined &&
      clock.monotonicMs() - storedAtMs < lifeMs * RENEWED_AFTER_SHARE;
    if (!isFresh) await this.#put(session);
  }

  /** The session is over, and so is what it bound; not what a newer one did. */
  async remove(session: UdpSession): Promise<void> {
    if (this.#byKey.get(session.key) !== session) return;
    this.#byKey.delete(session.key);
    await this.#ask("remove", session, () => {
      const { store, holder } = this.#options;
      return store.remove("sudph", session.key, { holder });
    });
  }

  async #put(session: UdpSession): Promise<void> {
    const { clock, store, ttlMs, holder } = this.#options;
    if (session.bound === undefined || this.#byKey.get(session.key) !== session) return;
    const binding = { ...session.bound.listener, remoteAddress: session.address, holder };
    const isStored = await this.#ask(
      "store",
      session,
      () => store.put("sudph", session.key, binding, { ttlMs }),
    );
    if (isStored) session.bound.storedAtMs = clock.monotonicMs(); // else the next heartbeat tries again
  }

  async #say(key: PublicKey): Promise<void> {
    const { store, holder } = this.#options;
    await this.#ask("tell of", { key }, async () => await store.say?.({ type: "bound", key, holder }));
  }

  /** A store that fails for a moment ends no session. */
  async #ask(
    what: string,
    { key }: { readonly key: PublicKey },
    question: () => Promise<unknown>,
  ): Promise<boolean> {
    try {
      await question();
      return true;
    } catch (error) {
      this.#failures.tell(error, { act: what, key });
      return false;
    }
  }
}
