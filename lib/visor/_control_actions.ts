/** What each call of the control API does to a visor. @module */
import { parsePublicKey } from "../crypto/mod.ts";
import { renderEntry } from "../dmsg/mod.ts";
import type { Clock } from "../runtime/mod.ts";
import type { ControlActions } from "./control_server.ts";
import { nodeActions } from "./_node_actions.ts";
import { listServers, pingKey } from "./dmsg_tools.ts";
import type { Visor } from "./visor.ts";

export function controlActions(
  visor: Visor,
  { onStop, clock }: { readonly onStop: () => void; readonly clock: Clock },
): ControlActions {
  return {
    ...nodeActions(visor.node, { clock }),
    status: () => visor.status(),
    visorUptime: () => {
      const report = visor.uptime();
      return { ...report, hours: [...report.hours] };
    },
    stop: () => {
      onStop();
      return { stopping: true };
    },
    dmsgSessions: () => visor.status().dmsg.sessions,
    dmsgConnectAll: (_input, signal) => visor.dmsg.connectAll(signal),
    dmsgServers: (_input, signal) => listServers(visor.dmsg, signal),
    dmsgEntry: async ({ key }, signal) => {
      const entry = await visor.dmsg.discovery.published(parsePublicKey(key), signal);
      return { entry: entry === undefined ? null : renderEntry(entry) };
    },
    dmsgPing: ({ key, count = 1 }, signal) => pingKey(visor.dmsg, parsePublicKey(key), { count, signal }),
  };
}
