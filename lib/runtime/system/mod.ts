/**
 * The World of this machine.
 *
 * ```ts
 * import { systemWorld } from "./mod.ts";
 * const world = systemWorld();
 * const conn = await world.network.dial({ hostname: "127.0.0.1", port: 8080 });
 * ```
 *
 * @module
 */
import { Ledger } from "../../base/mod.ts";
import type { World } from "../world.ts";
import { systemClock } from "./clock.ts";
import { systemDiagnostics } from "./diagnostics.ts";
import { systemFiles } from "./files.ts";
import { systemNetwork } from "./network.ts";
import { systemSignals } from "./signals.ts";

export { makePrivateFile } from "./private_file.ts";
export { type ProcessFigures, processFigures } from "./process_figures.ts";

/** What `getRandomValues` gives in one call. */
const RANDOM_BYTES_MAX = 65_536;

/** This machine's network, clock, randomness, files and signals; what is alive is counted in `ledger`. */
export function systemWorld({ ledger = new Ledger() }: { readonly ledger?: Ledger } = {}): World {
  const clock = systemClock(ledger);
  return {
    clock,
    ledger,
    network: systemNetwork({ clock, ledger }),
    files: systemFiles(ledger),
    signals: systemSignals,
    diagnostics: systemDiagnostics(clock),
    random: { bytes: randomBytes },
    outside: (work) => work(),
  };
}

function randomBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let offset = 0; offset < length; offset += RANDOM_BYTES_MAX) {
    crypto.getRandomValues(bytes.subarray(offset, offset + RANDOM_BYTES_MAX));
  }
  return bytes;
}
