/** What this process uses of its machine. @module */

export interface ProcessFigures {
  readonly residentBytes: number;
  readonly heapBytes: number;
  /** Processor time so far, of the user and the system. */
  readonly cpuMs: number;
  readonly uptimeMs: number;
}

export function processFigures(): ProcessFigures {
  const { rss, heapUsed } = Deno.memoryUsage();
  const { user, system } = process.cpuUsage();
  return {
    residentBytes: rss,
    heapBytes: heapUsed,
    cpuMs: (user + system) / 1_000,
    uptimeMs: process.uptime() * 1_000,
  };
}
