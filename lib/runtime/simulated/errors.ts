/** What a simulation says about the code that runs in it. These are bugs, so no SkyErrors. @module */

/**
 * - `STALLED`: nothing is left to happen, and the scenario still waits: for a bug, or for something outside
 *   that did not go through `World.outside`.
 * - `FORBIDDEN`: the code reached for the machine's clock, randomness, timers or network.
 * - `LIVELOCK`: things go on happening while virtual time stands: a loop of waits of no length.
 * - `OUT_OF_TIME`: the scenario did not end within its virtual time.
 */
export class SimulationError extends Error {
  override readonly name = "SimulationError";
  constructor(readonly code: "STALLED" | "FORBIDDEN" | "LIVELOCK" | "OUT_OF_TIME", message: string) {
    super(message);
  }
}
