/**
 * The address resolver's routes, over HTTP and dmsg alike (services.md 4.1). sudph is bound on UDP, which is not
 * here: nobody is ever bound for it.
 *
 * @module
 */
import { InvalidKeyError, parsePublicKey, type PublicKey } from "../../crypto/mod.ts";
import type { ResolvedType } from "../../directory/mod.ts";
import type { World } from "../../runtime/mod.ts";
import {
  allowing,
  type Answer,
  bare,
  callerAddress,
  type DmsgStatus,
  goJson,
  health,
  json,
  NOT_FOUND,
  type Question,
  type RefusalCounts,
  refusalOfMonitor,
  RequestAuth,
  type ServiceApi,
} from "../hosting/mod.ts";
import type { Binding, BindingStore } from "../store/mod.ts";
import { problemOf, readListener } from "./_binding.ts";
import { type AddressResolverSettings, BIND_BYTES_MAX, BINDING_TTL_MS, KEYS_BYTES_MAX } from "./settings.ts";

export interface AddressResolverOptions {
  readonly store: BindingStore;
  readonly world: Pick<World, "clock">;
  readonly settings?: AddressResolverSettings;
  readonly dmsgStatus?: () => DmsgStatus | undefined;
  /** What was refused so far. */
  readonly refused?: () => RefusalCounts;
}

export function createAddressResolver(options: AddressResolverOptions): ServiceApi {
  const { store, world: { clock }, settings = {}, dmsgStatus, refused } = options;
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
    return auth.answer(question, BIND_BYTES_MAX, async () => {
      if (!isResolvedType(typeText)) return bare(500); // the original's word for a type that it does not know
      const key = readKey(keyText);
      if (key === undefined) return bare(400);
      const binding = await store.get(typeText, key);
      return binding === undefined ? bare(404) : json(renderBinding(binding));
    });
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
            health({
              serviceName: "address-resolver",
              startedAtMs,
              build: settings.build,
              dmsg: dmsgStatus?.(),
              refused: refused?.(),
            }),
        );
      default:
        return NOT_FOUND;
    }
  };
}

function renderBinding({ remoteAddress, port, addresses }: Binding): string {
  return JSON.stringify({ remote_addr: remoteAddress, port: `${port}`, addresses });
}

function isResolvedType(text: string): text is ResolvedType {
  return text === "stcpr" || text === "sudph";
}

/** A key in a path or a list; undefined for what is none. */
function readKey(text: string): PublicKey | undefined {
  try {
    return parsePublicKey(text);
  } catch (error) {
    if (error instanceof InvalidKeyError) return undefined;
    throw error;
  }
}

/** A JSON list of keys, null as an empty one; undefined for anything else. */
function readKeys(body: Uint8Array): PublicKey[] | undefined {
  let list: unknown;
  try {
    list = JSON.parse(new TextDecoder().decode(body)) ?? [];
  } catch {
    return undefined; // a SyntaxError, or a RangeError for absurd nesting
  }
  if (!Array.isArray(list)) return undefined;
  const keys = list.map((item) => typeof item === "string" ? readKey(item) : undefined);
  return keys.every((key) => key !== undefined) ? keys : undefined;
}

const BAD_BODY = json(`{"error":"body is no port and addresses"}`, 400);
