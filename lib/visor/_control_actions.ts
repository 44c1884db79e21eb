/** What each call of the control API does to a visor. @module */
import { untilAborted } from "../base/mod.ts";
import { parsePublicKey } from "../crypto/mod.ts";
import { parseDmsgUrl, renderDmsgAddress, renderEntry } from "../dmsg/mod.ts";
import type { Clock } from "../runtime/mod.ts";
import type { ControlActions } from "./control_server.ts";
import { nodeActions, nodeStreams } from "./_node_actions.ts";
import { PingPorts } from "./_route_ping.ts";
import type { FetchAction } from "./_control_fetch.ts";
import type { StreamActions } from "./_control_streams.ts";
import { listServers, overDmsg, pingKey } from "./dmsg_tools.ts";
import type { Visor } from "./visor.ts";

/** Every call and every stream, and requests in the visor's name. */
export function controlActions(
  visor: Visor,
  { onStop, clock }: { readonly onStop: () => void; readonly clock: Clock },
): { readonly actions: ControlActions; readonly streams: StreamActions; readonly fetch: FetchAction } {
  const ports = new PingPorts();
  const actions: ControlActions = {
    ...nodeActions(visor.node, { clock, ports }),
    status: () => visor.status(),
    visorUptime: () => {
      const report = visor.uptime();
      return { ...report, hours: [...report.hours] };
    },
    stop: () => {
      onStop();
      return { stopping: true };
    },
    doctor: (_input, signal) => visor.examine(signal),
    dmsgSessions: () => visor.status().dmsg.sessions,
    dmsgConnectAll: (_input, signal) => visor.dmsg.connectAll(signal),
    dmsgServers: (_input, signal) => listServers(visor.dmsg, signal),
    dmsgEntry: async ({ key }, signal) => {
      const entry = await visor.dmsg.discovery.published(parsePublicKey(key), signal);
      return { entry: entry === undefined ? null : renderEntry(entry) };
    },
    serviceAsk: ({ service, ...question }, signal) => visor.askService(service)(question, signal),
    serviceHealth: ({ timeoutMs }, signal) => visor.serviceHealth({ timeoutMs, signal }),
    dmsgPing: ({ key, count = 1 }, signal) =>
      overDmsg(visor.dmsg, () => pingKey(visor.dmsg, parsePublicKey(key), { count, signal })),
  };
  const streams: StreamActions = {
    ...nodeStreams(visor.node, { clock, ports }),
    log: (input, tell, signal) => overDmsg(visor.dmsg, () => visor.tellLog(input, tell, signal)),
    serve: async (wanted, tell, signal) => {
      const unmount = await visor.mount(wanted);
      tell({ serving: true });
      await untilAborted(signal);
      unmount();
    },
  };
  const fetch: FetchAction = async ({ url, body, ...request }, signal) => {
    const { address, path } = parseDmsgUrl(url);
    const to = `http://${renderDmsgAddress(address)}${path}`;
    const bytes = body === undefined ? undefined : Uint8Array.fromBase64(body);
    const sent = { ...request, url: to, body: bytes };
    return await overDmsg(visor.dmsg, () => visor.http.send(sent, { signal }));
  };
  return { actions, streams, fetch };
}
