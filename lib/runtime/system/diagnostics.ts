/** What this process tells of itself: its heap, and where its time goes. @module */
import type { Clock, Diagnostics } from "../world.ts";
import { sleep } from "../time.ts";

/** Of this process. The inspector is loaded by the first CPU profile. */
export function systemDiagnostics(clock: Clock): Diagnostics {
  return {
    platform: { os: Deno.build.os, architecture: GO_NAMES[Deno.build.arch] ?? Deno.build.arch },
    memory() {
      const { rss, heapTotal, heapUsed, external } = Deno.memoryUsage();
      return { residentBytes: rss, heapBytes: heapTotal, heapUsedBytes: heapUsed, externalBytes: external };
    },
    async cpuProfile(durationMs, signal) {
      const { Session } = await import("node:inspector");
      const session = new Session();
      const ask = (method: string) =>
        new Promise<unknown>((resolve, reject) =>
          session.post(
            method,
            (error: Error | null, result: unknown) => error ? reject(error) : resolve(result),
          )
        );
      session.connect();
      try {
        await ask("Profiler.enable");
        await ask("Profiler.start");
        await sleep(clock, durationMs, signal);
        const { profile } = await ask("Profiler.stop") as { profile: unknown };
        return JSON.stringify(profile);
      } finally {
        session.disconnect();
      }
    },
  };
}

const GO_NAMES: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64" };
