/** What `skyctl svc ls` lists. @module */
import type { Io } from "../../lib/cli/mod.ts";
import { renderTable } from "../../lib/cli/table.ts";
import { addressesOf } from "../../lib/directory/mod.ts";
import { SERVICE_KINDS } from "../../lib/services/assembly/mod.ts";
import { networkOf } from "./_service.ts";

/** The types; with a file, its services. */
export async function runLs(io: Io, deployment: string | undefined): Promise<void> {
  if (deployment === undefined) {
    const types = SERVICE_KINDS.map(({ type, title, aliases, port, dmsgPort, modes }) => ({
      type,
      title,
      aliases,
      port,
      dmsgPort,
      modes,
    }));
    io.emit(types, (rows) =>
      renderTable(
        ["service", "port", "dmsg port", "modes", "also"],
        rows.map(({ type, port = "", dmsgPort = "", modes, aliases }) => [
          type,
          port,
          dmsgPort,
          modes.join(", "),
          aliases.join(", "),
        ]),
      ));
    return;
  }
  const network = await networkOf(await io.world(), deployment);
  const services = [
    ...addressesOf(network).map(([service, { http, dmsg }]) => ({
      service,
      address: http,
      publicKey: dmsg?.publicKey,
    })),
    ...network.servers.map(({ publicKey, address }) => ({ service: "dmsg-server", address, publicKey })),
  ];
  io.emit(services, (rows) =>
    renderTable(
      ["service", "address", "key"],
      rows.map(({ service, address = "", publicKey = "" }) => [service, address, publicKey]),
    ));
}
