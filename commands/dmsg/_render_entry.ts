/** An entry for people. @module */
import { renderFields } from "../../lib/cli/table.ts";
import { type Entry, verifyEntry } from "../../lib/dmsg/mod.ts";

export function renderEntryFields(entry: Entry): string {
  const { client, server } = entry;
  return renderFields([
    ["public key", entry.static],
    ["sequence", entry.sequence.toString()],
    ["published", new Date(Number(entry.timestamp / 1_000_000n)).toISOString()],
    ...(entry.clientType ? [["client type", entry.clientType] as const] : []),
    ...(client?.delegatedServers ?? []).map((key) => ["delegated server", key] as const),
    ...(server === undefined ? [] : [
      ["server address", server.address] as const,
      ["free sessions", server.availableSessions] as const,
      ...(server.serverType ? [["server type", server.serverType] as const] : []),
    ]),
    // A discovery rewrites the type of a server's entry, which breaks its signature.
    ["signature", verifyEntry(entry) ? "good" : server === undefined ? "WRONG" : "does not cover the type"],
  ]);
}
