/** Whether a server is known. @module */
import { poll } from "./lab.ts";

/** Resolves when a discovery lists a server. */
export async function registered(discovery: string, server: string): Promise<void> {
  await poll(async () => {
    const response = await fetch(`${discovery}/dmsg-discovery/all_servers`, {
      signal: AbortSignal.timeout(5_000),
    });
    const text = await response.text();
    return response.ok && text.includes(server) || undefined;
  }, { withinMs: 20_000, what: () => `The discovery does not list ${server}` });
}
