/**
 * The address resolver's routes, over HTTP and dmsg alike (services.md 4.1). sudph is bound on UDP, whose side of
 * the resolver is asked to tell whom somebody is about to dial.
 *
 * @module
 */
import type { PublicKey } from "../../crypto/mod.ts";
import type { ResolvedType } from "../../directory/mod.ts";
import { renderSocketAddress, type World } from "../../runtime/mod.ts";
import {
  allowing,
  type Answer,
  bare,
  callerAddress,
  type DmsgStatus,
  goJson,
  healthOver,
  json,
  KEYS_BYTES_MAX,
  NOT_FOUND,
  type Question,
  readKey,
  readKeys,
  type RefusalCounts,
  refusalOfMonitor,
  RequestAuth,
  type ServiceApi,
} from "../hosting/mod.ts";
import { type Binding, type BindingStore, StoreError } from "../store/mod.ts";
import { problemOf, readListener } from "./_binding.ts";
import { type AddressResolverSettings, BIND_BYTES_MAX, BINDING_TTL_MS } from "./settings.ts";
import type { UdpSide } from "./udp_side.ts";

export interface AddressResolverOptions {
  readonly store: BindingStore;
  readonly world: Pick<World, "clock">;
  readonly settings?: AddressResolverSettings;
  readonly dmsgStatus?: () => DmsgStatus | undefined;
  /** The UDP side; undefined while there is none. */
  readonly udp?: () => UdpSideFacts | undefined;
  /** What was refused so far. */
  readonly refused?: () => RefusalCounts;
}

/** What the routes need of the UDP side. */
export type UdpSideFacts = Pick<UdpSide, "address" | "counters" | "holds" | "tell">;

export function createAddressResolver(options: AddressResolverOptions): ServiceApi {
  const { store, world: { clock }, settings = {}, dmsgStatus, refused, udp } = options;
  const {
    entryTimeoutMs: ttlMs = BINDING_TTL_MS,
    allowLoopbackAddresses = false,
    believeProxies = true,
  } = settings;
  const whitelist = new Set<string>(settings.whitelistKeys);
  const startedAtMs = clock.wallMs();
  const auth = new RequestAuth(store.nonces);

  function bind(question: Question): Promise<Answer> {
    return auth.answer(question, BIND_BYTES_MAX, async ({ key, body }) => {
      const listener = readListener(body);
      if (listener === undefined) return BAD_BODY;
      const remote = callerAddress(question, { believeProxies });
      const problem = problemOf(key, remote, listener, { allowLoopbackAddresses });
      if (problem !== undefined) return json(goJson({ error: problem }), 400);
      await store.put("stcpr", key, { ...listener, remoteAddress: remote! }, { ttlMs });
      return bare(200);
    });
  }

  function unbind(question: Question): Promise<Answer> {
    return auth.answer(question, BIND_BYTES_MAX, async ({ key }) => {
      await store.remove("stcpr", key);
      return bare(200); // also when nothing was bound
    });
  }

  function resolve(question: Question, typeText: string, keyText: string): Promise<Answer> {
    return auth.answer(question, BIND_BYTES_MAX, async ({ key: asker }) => {
      if (!isResolvedType(typeText)) return bare(500); // the original's word for a type that it does not know
      const key = readKey(keyText);
      if (key === undefined) return bare(400);
      const binding = await store.get(typeText, key);
      if (binding === undefined) return bare(404);
      if (typeText === "stcpr") return json(renderBinding(binding));
      // Only who is bound itself can be punched for; its answer is the same.
      const dialer = await store.get("sudph", asker);
      if (dialer !== undefined && asker !== key) await tell(key, asker, dialer.remoteAddress);
      return json(renderBinding(binding, dialer));
    });
  }

  /** Whichever instance has the session of `key` tells it. */
  async function tell(key: PublicKey, dialer: PublicKey, address: string): Promise<void> {
    const side = udp?.();
    if (store.say === undefined || side?.holds(key)) return void side?.tell(key, dialer, address);
    try {
      await store.say({ type: "dial", key, dialer, address });
    } catch (error) { // the dialler asks again
      if (!(error instanceof StoreError)) throw error;
    }
  }

  async function bound(): Promise<Answer> {
    const [sudph, stcpr] = [await store.keys("sudph"), await store.keys("stcpr")];
    return json(JSON.stringify({
      ...(sudph.length === 0 ? {} : { sudph }),
      ...(stcpr.length === 0 ? {} : { stcpr }),
    }));
  }

  async function deregister(question: Question, typeText: string): Promise<Answer> {
    const refusal = refusalOfMonitor(question, whitelist);
    if (refusal !== undefined) return refusal;
    const keys = isResolvedType(typeText) ? readKeys(await question.bytes(KEYS_BYTES_MAX)) : undefined;
    if (keys === undefined) return bare(400);
    for (const key of keys) await store.remove(typeText as ResolvedType, key);
    return json("null");
  }

  return async (question) => {
    const { method, path } = question;
    const only = (allowed: string, answer: () => Promise<Answer> | Answer) =>
      method === allowed ? answer() : allowing(allowed);
    const parts = path.split("/", 5);
    if (parts.length === 4 && parts[1] === "resolve") {
      return only("GET", () => resolve(question, parts[2]!, parts[3]!));
    }
    if (parts.length === 3 && parts[1] === "deregister") {
      return only("DELETE", () => deregister(question, parts[2]!));
    }
    if (parts.length === 4 && parts[1] === "security" && parts[2] === "nonces") {
      return only("GET", () => auth.nonce(parts[3]!));
    }
    switch (path) {
      case "/bind/stcpr":
        if (method === "POST") return bind(question);
        return method === "DELETE" ? unbind(question) : allowing("POST, DELETE");
      case "/transports":
        return only("GET", bound);
      case "/health":
        return only(
          "GET",
          () =>
            healthOver(store, {
              serviceName: "address-resolver",
              startedAtMs,
              build: settings.build,
              dmsg: dmsgStatus?.(),
              ...udpFacts(udp?.(), settings.publicUdpAddress),
              refused: refused?.(),
            }),
        );
      default:
        return NOT_FOUND;
    }
  };
}

/** `asker` is the asker's own binding of the same type: in one network they meet without the NAT before it. */
function renderBinding({ remoteAddress, port, addresses }: Binding, asker?: Binding): string {
  const isLocal = asker !== undefined && hostOf(remoteAddress) === hostOf(asker.remoteAddress);
  return JSON.stringify({
    remote_addr: remoteAddress,
    is_local: isLocal || undefined,
    port: `${port}`,
    addresses,
  });
}

/** Of an `ip:port`. */
function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(":"));
}

/** A side that is bound to every address of the machine does not know which one visors reach: the port, then. */
function udpFacts(side: UdpSideFacts | undefined, publicAddress: string | undefined) {
  if (side === undefined) return {};
  const isAny = side.address.hostname === "0.0.0.0" || side.address.hostname === "::";
  return {
    udpAddress: publicAddress ?? (isAny ? `:${side.address.port}` : renderSocketAddress(side.address)),
    udp: side.counters(),
  };
}

function isResolvedType(text: string): text is ResolvedType {
  return text === "stcpr" || text === "sudph";
}

const BAD_BODY = json(`{"error":"body is no port and addresses"}`, 400);
