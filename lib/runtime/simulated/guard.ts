/**
 * While a scenario runs, the machine's clock, timers, randomness and network throw: what would make a run
 * differ from the next is found where it happens.
 *
 * Not caught: a function that was taken out of its object before (`const { now } = Date`), and `node:` modules.
 * A test of the layering holds that nothing above `runtime/` does either.
 *
 * @module
 */
import { SimulationError } from "./errors.ts";

/** Never to be used in a scenario. */
const FORBIDDEN: readonly [owner: object, path: string, names: readonly string[]][] = [
  [globalThis, "", ["setTimeout", "setInterval", "setImmediate", "fetch", "WebSocket", "Worker"]],
  [performance, "performance.", ["now"]],
  [Math, "Math.", ["random"]],
  [AbortSignal, "AbortSignal.", ["timeout"]],
  [crypto, "crypto.", ["getRandomValues", "randomUUID"]],
  [
    Deno,
    "Deno.",
    ["connect", "connectTls", "startTls", "listen", "listenTls", "listenDatagram", "serve", "resolveDns"],
  ],
];

/** To be used inside of `World.outside` only. */
const OUTSIDE_ONLY: readonly [owner: object, path: string, names: readonly string[]][] = [
  [crypto.subtle, "crypto.subtle.", [
    "digest",
    "encrypt",
    "decrypt",
    "sign",
    "verify",
    "deriveBits",
    "deriveKey",
    "generateKey",
    "importKey",
    "exportKey",
    "wrapKey",
    "unwrapKey",
    "encapsulateBits",
    "encapsulateKey",
    "decapsulateBits",
    "decapsulateKey",
  ]],
  [Deno, "Deno.", [
    "open",
    "readFile",
    "readTextFile",
    "writeFile",
    "writeTextFile",
    "readDir",
    "stat",
    "lstat",
    "mkdir",
    "remove",
    "rename",
  ]],
];

export interface Guard {
  /** The first thing that was reached for, also when the code swallowed the error. */
  readonly violation: SimulationError | undefined;
  /** Puts everything back. */
  lift(): void;
}

let isInstalled = false;

/** Takes the machine away until `lift()`. One at a time. */
export function installGuard(isOutside: () => boolean): Guard {
  if (isInstalled) throw new TypeError("A simulation is running already in this process");
  isInstalled = true;
  const restores: (() => void)[] = [];
  let violation: SimulationError | undefined;
  const refuse = (name: string): never => {
    violation ??= new SimulationError(
      "FORBIDDEN",
      `${name} was used in a simulation: take it from the World`,
    );
    throw violation;
  };

  for (const [owner, path, names] of FORBIDDEN) {
    for (const name of names) restores.push(replace(owner, name, () => () => refuse(path + name)));
  }
  for (const [owner, path, names] of OUTSIDE_ONLY) {
    for (const name of names) {
      restores.push(replace(owner, name, (real) => {
        return (...args: unknown[]) => isOutside() ? real.apply(owner, args) : refuse(path + name);
      }));
    }
  }
  restores.push(
    replace(globalThis, "Date", (real) => guardedDate(real as unknown as DateConstructor, refuse)),
  );

  return {
    get violation() {
      return violation;
    },
    lift() {
      for (const restore of restores.splice(0).reverse()) restore();
      isInstalled = false;
    },
  };
}

// deno-lint-ignore no-explicit-any -- any global function
type AnyFunction = (...args: any[]) => unknown;

/** Replaces a function by a property of the owner's own; returns the undo. */
function replace(owner: object, name: string, make: (real: AnyFunction) => unknown): () => void {
  const own = Object.getOwnPropertyDescriptor(owner, name);
  const real = (owner as Record<string, unknown>)[name];
  if (typeof real !== "function") return () => {};
  Object.defineProperty(owner, name, {
    value: make(real as AnyFunction),
    configurable: true,
    writable: true,
    enumerable: own?.enumerable ?? false,
  });
  return () => {
    if (own === undefined) delete (owner as Record<string, unknown>)[name];
    else Object.defineProperty(owner, name, own);
  };
}

/** A Date that still renders and parses given times, but does not know the present one. */
function guardedDate(real: DateConstructor, refuse: (name: string) => never): DateConstructor {
  const now = () => refuse("Date.now");
  return new Proxy(real, {
    apply: () => refuse("Date()"),
    construct: (target, args, newTarget) =>
      args.length === 0 ? refuse("new Date()") : Reflect.construct(target, args, newTarget),
    get: (target, key) => key === "now" ? now : Reflect.get(target, key),
  });
}
