/** Requests to end, as the machine sends them. @module */
import type { Signals } from "../world.ts";

const INTERRUPTS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT", "SIGBREAK"]
  : ["SIGINT", "SIGTERM"];

/** A signal alone keeps no process alive. */
export const systemSignals: Signals = {
  onInterrupt(handler) {
    const added = INTERRUPTS.filter((signal) => {
      try {
        Deno.addSignalListener(signal, handler);
        return true;
      } catch { // this system cannot listen to it: the others are enough
        return false;
      }
    });
    return () => {
      for (const signal of added.splice(0)) Deno.removeSignalListener(signal, handler);
    };
  },
};
