/** What an operator decides about any service (services.md 13.1). @module */
import { CallerError } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";

/** Where this program comes from; `unknown` in an unstamped build. */
export interface BuildInfo {
  readonly version: string;
  readonly commit: string;
  readonly date: string;
}

/** What an operator decides about every service that knows what others told it. Everything has a default. */
export interface HostedSettings {
  /** Network monitors: who may deregister others. Default: nobody. */
  readonly whitelistKeys?: readonly PublicKey[];
  /**
   * Life of what is registered after its last registration, 1 s to 366 d. 0: until it is deleted, for networks with
   * visors of 2024, which register once. Default: the service's.
   */
  readonly entryTimeoutMs?: number;
  /**
   * Take a proxy's word (True-Client-IP, X-Real-IP, X-Forwarded-For) for where a caller is, as every service of
   * the network does. Without a proxy in front callers write it themselves: then false. Default true.
   */
  readonly believeProxies?: boolean;
  /** What `/health` says about the program. */
  readonly build?: BuildInfo;
}

/** Where a service listens: plain HTTP, dmsg port 80, or both. */
export type ServiceMode = "http" | "dmsg" | "dual";

/** A setting that cannot be used. The message names the setting, its value and the remedy. */
export class InvalidServiceSettingError extends CallerError {
  readonly code = "INVALID_SERVICE_SETTING";
}

/** Reads a mode as every service does: without case and blanks, `dmsghttp` and `both` as other names. */
export function parseServiceMode(text: string): ServiceMode {
  const mode = MODES.get(text.trim().toLowerCase());
  if (mode !== undefined) return mode;
  throw new InvalidServiceSettingError(`Service mode ${JSON.stringify(text.slice(0, 80))} is unknown`, {
    hint: "use http, dmsg or dual",
  });
}

/** Checks how long entries live: 0 is for ever. Errors: `InvalidServiceSettingError`. */
export function checkEntryTimeout(ms: number): void {
  if (ms === 0 || (ms >= ENTRY_TIMEOUT_MIN_MS && ms <= ENTRY_TIMEOUT_MAX_MS)) return;
  throw new InvalidServiceSettingError(`An entry cannot live for ${ms} ms`, {
    hint: "give it between 1 s and 366 days, or 0 for no end",
  });
}

const MODES: ReadonlyMap<string, ServiceMode> = new Map([
  ["http", "http"],
  ["dmsg", "dmsg"],
  ["dmsghttp", "dmsg"],
  ["dual", "dual"],
  ["both", "dual"],
]);

/** Shorter, an entry is gone before its owner has read the answer. */
const ENTRY_TIMEOUT_MIN_MS = 1_000;
/** Longer, it is a slip of the pen. */
export const ENTRY_TIMEOUT_MAX_MS = 366 * 24 * 60 * 60_000;
