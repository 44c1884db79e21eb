/** A visor of Skywire's own program, run from a configuration and asked by its own commands. @module */
import { textOf } from "./build.ts";
import { freePort, type Lab, poll } from "./lab.ts";
import type { PeerBuild } from "./peer.ts";
import type { ListedTransport, RouteVisor } from "./route_build.ts";

/** Its proxy command gives up by itself after so long. */
const PROXY_SECONDS = 30;
/** Programs that its launcher starts, where a configuration does not say that they are parts of the one. */
const APPS = ["skysocks", "skysocks-client"] as const;
/**
 * Its VPN server wants a default route, `iptables` and this machine's forwarding. What its visor does when an app
 * of this name runs is the same whatever runs: here its skychat, on an address of nobody.
 */
const VPN_IN_NAME_ONLY = 'app skychat --addr "127.0.0.1:0"';

/** What is needed of its configuration here. */
export interface PeerVisorConfig {
  readonly pk: string;
  readonly cli_addr: string;
  readonly launcher: { readonly apps: readonly { readonly name: string; readonly auto_start: boolean }[] };
}

/** Starts it, and waits until every app that starts by itself runs. Its folders are the configuration's own. */
export async function runPeerVisor(
  lab: Lab,
  peer: PeerBuild,
  config: PeerVisorConfig,
): Promise<RouteVisor> {
  const { pk: publicKey, cli_addr: control, launcher } = config;
  const file = lab.path("visor.json");
  await Deno.writeTextFile(file, JSON.stringify(config));
  const visor = peer.start("visor", ["visor", "-c", file]);
  const cli = async (...args: string[]) => {
    const result = await peer.run(["cli", ...args, "--rpc", control]);
    return textOf(`its cli ${args.slice(0, 2).join(" ")}`, result);
  };
  const awaited = launcher.apps.filter((app) => app.auto_start).map(({ name }) => name);
  await poll(
    async () => {
      const { stdout } = await peer.run(["cli", "visor", "app", "ls", "--rpc", control]);
      return awaited.every((name) => new RegExp(`${name}\\s.*running`, "i").test(stdout)) || undefined;
    },
    { withinMs: 30_000, what: () => `its ${awaited} do not run: ${visor.stdout.slice(-600)}` },
  );
  const transports = async () => listedIn(await cli("tp", "ls"));
  return {
    publicKey,
    transports,
    // -f and its two addresses: without them it asks a service discovery whether that visor is there.
    addTransport: async (key, type) => {
      const cache = lab.path("sd.json");
      const text = await cli(
        ...["tp", "add", "-f", "-a", peer.emptyServices, "--cfs", cache, "-t", type, key],
      );
      const made = listedIn(text).find(({ remote }) => remote === key);
      if (made === undefined) throw new Error(`its tp add said ${text.slice(-300)}`);
      return made.id;
    },
    removeTransport: async (id) => void await cli("tp", "rm", "-i", id),
    ping: async (key) => {
      const text = await cli("visor", "ping", key);
      const ms = /Latency: ([\d.]+) ?ms/.exec(text)?.[1];
      if (ms === undefined) throw new Error(`its visor ping said ${text.slice(-300)}`);
      return { ms: Number(ms), way: undefined };
    },
    startProxy: async (key) => {
      const address = `127.0.0.1:${freePort()}`;
      const text = await cli("proxy", "start", "-k", key, "-a", address, "-t", `${PROXY_SECONDS}`);
      if (!text.includes("Running")) throw new Error(`its proxy start said ${text.slice(-300)}`);
      return address;
    },
    stopProxy: async () => void await cli("proxy", "stop", "--all"),
    relayRules: () => Promise.resolve(undefined),
    end: async () => void await visor.end(),
    kill: async () => void await visor.end("SIGKILL"),
  };
}

/** A folder with programs of the apps' names, and the one that has them all. */
export async function writePeerApps(lab: Lab, peer: PeerBuild): Promise<string> {
  const folder = lab.path("apps");
  await Deno.mkdir(folder);
  const write = (name: string, script: string) =>
    Deno.writeTextFile(`${folder}/${name}`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const itself = `exec '${peer.path}'`;
  await write("skywire", `[ "$2" = vpn-server ] && ${itself} ${VPN_IN_NAME_ONLY}\n${itself} "$@"`);
  for (const name of APPS) await write(name, `${itself} app ${name} "$@"`);
  return folder;
}

/** The lines of its table: type, id, remote key. */
function listedIn(text: string): ListedTransport[] {
  return [...text.matchAll(/^(\w+)\s+([0-9a-f-]{36})\s+([0-9a-f]{66})\b/gm)]
    .map(([, type, id, remote]) => ({ type: type!, id: id!, remote: remote! }));
}
