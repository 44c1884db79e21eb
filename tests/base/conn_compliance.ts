/**
 * `connCompliance()`: the contract of `Conn`, case by case, for any implementation.
 *
 * ```ts
 * connCompliance("memoryPair", ({ ledger }) => {
 *   const [near, far] = memoryPair({ ledger });
 *   return { near, far };
 * }, { cannot: { truncate: "it has no frames" } });
 * ```
 *
 * Each case gets a fresh pair and is a step of its own. At its end both ends are closed, `closed` must settle,
 * and nothing may be alive in the ledger. A direction must take in 16 KiB while nobody reads. What a transport cannot do is declared with a reason, and shown as
 * ignored; what is neither declared nor done fails.
 *
 * @module
 */
import { type Conn, describeError, Ledger } from "../../lib/base/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { assertNothingAlive } from "../support/world.ts";
import { Bench } from "./_compliance_bench.ts";
import { DATA_CASES } from "./_compliance_data.ts";
import { ENDING_CASES } from "./_compliance_endings.ts";
import { LOAD_CASES } from "./_compliance_load.ts";

/** What a pair is made with. */
export interface ConnPairContext {
  /** For the implementation's timers. Lingers are waited for by moving it on. */
  readonly clock: VirtualClock;
  /** For everything that the implementation counts. */
  readonly ledger: Ledger;
}

/** Two ends, and what else can be done to what is between them. */
export interface ConnPair {
  readonly near: Conn;
  readonly far: Conn;
  /** Lets things happen for a short while. Default: one turn of the event loop. */
  settle?(): Promise<void>;
  /** Lets virtual time pass. Default: the context's clock. */
  advance?(ms: number): Promise<void>;
  /** The peer of `near` resets. Default: `far.close(reason)`. */
  reset?(): void | Promise<void>;
  /** From now on nothing that `near` sends is taken or answered. Default: `far` just does not read. */
  stall?(): void | Promise<void>;
  /** The peer of `near` ends inside a frame. */
  truncate?(): void | Promise<void>;
  /** Frees what is below, after both ends are closed. */
  dispose?(): void | Promise<void>;
}

/** What some transports cannot do. `resetPastUnread`: a reset is heard though bytes in front of it are unread. */
export type Capability = "truncate" | "reset" | "resetPastUnread";

export interface ConnComplianceOptions {
  /** `real`: sockets of the machine, which no clock of ours moves. Default `virtual`. */
  readonly time?: "virtual" | "real";
  /** Most bytes that one direction takes in while nobody reads. Default 1 MiB. */
  readonly takenInBytesMax?: number;
  /** Bytes per direction of the long transfers. Default 1 MiB. */
  readonly transferBytes?: number;
  /** Pairs that are opened and closed one after the other. Default 1,000. */
  readonly pairs?: number;
  /** What cannot be done, each with the reason. */
  readonly cannot?: Partial<Record<Capability, string>>;
}

export type MakePair = (context: ConnPairContext) => ConnPair | Promise<ConnPair>;

/** One rule of the contract. */
export interface ComplianceCase {
  readonly name: string;
  readonly needs?: Capability;
  run(bench: Bench, makePair: MakePair): Promise<void>;
}

export const COMPLIANCE_CASES: readonly ComplianceCase[] = [...DATA_CASES, ...ENDING_CASES, ...LOAD_CASES];

/** Registers every case as a step of one test. */
export function connCompliance(name: string, makePair: MakePair, options: ConnComplianceOptions = {}): void {
  Deno.test(`${name} keeps the Conn contract`, async (test) => {
    for (const each of COMPLIANCE_CASES) {
      const reason = each.needs && options.cannot?.[each.needs];
      await test.step({
        name: reason === undefined ? each.name : `${each.name} (skipped: ${reason})`,
        ignore: reason !== undefined,
        fn: () => runCase(each, makePair, options),
      });
    }
  });
}

/** Runs every case; the text of what failed, by the case's name. For tests of the suite itself. */
export async function complianceFailures(
  makePair: MakePair,
  options: ConnComplianceOptions = {},
): Promise<Map<string, string>> {
  const failures = new Map<string, string>();
  for (const each of COMPLIANCE_CASES) {
    if (each.needs && options.cannot?.[each.needs] !== undefined) continue;
    try {
      await runCase(each, makePair, options);
    } catch (error) {
      failures.set(each.name, describeError(error));
    }
  }
  return failures;
}

async function runCase(
  each: ComplianceCase,
  makePair: MakePair,
  { time = "virtual", takenInBytesMax = 1 << 20, transferBytes = 1 << 20, pairs = 1_000 }:
    ConnComplianceOptions,
): Promise<void> {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const pair = await makePair({ clock, ledger });
  const options = { time, takenInBytesMax, transferBytes, pairs };
  const bench = new Bench(pair, { clock, ledger, options });
  try {
    await each.run(bench, makePair);
    pair.near.close();
    pair.far.close();
    await bench.waitLong(Promise.all([pair.near.closed, pair.far.closed]), "`closed` of both ends");
  } catch (error) {
    pair.near.close(error);
    pair.far.close(error);
    await pair.dispose?.();
    throw error;
  }
  await pair.dispose?.();
  for (let turns = 0; turns < 20 && Object.keys(ledger.live()).length > 0; turns++) await bench.step();
  assertNothingAlive(ledger);
}
