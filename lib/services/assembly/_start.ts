/** How each service of an assembly starts. @module */
import type { Log } from "../../base/mod.ts";
import type { KeyPair } from "../../crypto/mod.ts";
import type { Deployment } from "../../deployment/mod.ts";
import { type DmsgNetwork, HttpServices, type ServiceAddress } from "../../directory/mod.ts";
import { SERVER_ENTRY_REFRESH_MS, SERVER_SESSIONS_MAX } from "../../dmsg/mod.ts";
import type { PostQuantumSettings } from "../../noise/mod.ts";
import type { World } from "../../runtime/mod.ts";
import { runAddressResolver } from "../address_resolver/mod.ts";
import { runConfigBootstrapper } from "../config_bootstrapper/mod.ts";
import { type AttachDmsg, runDmsgDiscovery } from "../dmsg_discovery/mod.ts";
import { runDmsgServer } from "../dmsg_server/mod.ts";
import {
  type AttachService,
  attachService,
  type BuildInfo,
  InvalidServiceSettingError,
  type RunningService,
} from "../hosting/mod.ts";
import { runRouteFinder, toldTransports } from "../route_finder/mod.ts";
import { runServiceDiscovery } from "../service_discovery/mod.ts";
import { runSetupNode } from "../setup_node/mod.ts";
import { runTransportDiscovery, type TransportSource } from "../transport_discovery/mod.ts";
import { runTransportSetup } from "../transport_setup/mod.ts";
import { runUptimeTracker } from "../uptime_tracker/mod.ts";
import type { PlannedService } from "./plan.ts";
import { publicly, startedServer, type StartedService, startedService } from "./started.ts";

/** What services have in common. */
export interface StartContext {
  readonly world: World;
  readonly log: Log;
  readonly build: BuildInfo;
  readonly userAgent: string;
  readonly postQuantum?: PostQuantumSettings | undefined;
  /** The network that their dmsg clients are in: as this process reaches it. */
  readonly network: DmsgNetwork;
  /** Of the transport discovery in this process. */
  readonly transports: TransportSource | undefined;
  /** What a config bootstrapper tells, as far as it is known by now. */
  readonly told: () => Deployment;
  /** The dmsg discovery runs in this process. */
  readonly isDiscoveryHere: boolean;
  /** Its dmsg side. */
  readonly attachDiscovery: AttachDmsg | undefined;
}

/** Another feed than the service itself, for those that come after it. */
export type Started = StartedService & { readonly transports?: TransportSource };

/** Starts one; nothing is left of it when it cannot. */
export async function startService(
  plan: PlannedService,
  keys: KeyPair | undefined,
  context: StartContext,
): Promise<Started> {
  const { world, build, userAgent, postQuantum } = context;
  const { settings } = plan;
  const log = context.log.child(plan.name);
  const { surveyWhitelist } = settings;
  const network = {
    ...plan.network ?? context.network,
    ...(surveyWhitelist === undefined ? {} : { surveyWhitelist }),
  };
  const dmsg: AttachService | undefined = keys === undefined || plan.mode === "http"
    ? undefined
    : attachService({ world, local: keys, network, log, userAgent, postQuantum });
  const address = plan.address ?? NOWHERE;
  const common = { store: "memory", ...settings, address, mode: plan.mode, build };
  const given = { world, log, dmsg };
  const started = (running: RunningService) => startedService(plan, running, keys?.publicKey);
  switch (plan.type) {
    case "dmsg-discovery":
      return started(
        await runDmsgDiscovery({
          world,
          log,
          settings: { ...common, publicKey: keys?.publicKey },
          dmsg: context.attachDiscovery,
        }),
      );
    case "dmsg-server":
      return await startServer(plan, keys!, { ...context, log, network });
    case "transport-discovery": {
      const running = await runTransportDiscovery({ ...given, settings: common });
      return { ...started(running), transports: running.transports };
    }
    case "address-resolver":
      return started(await runAddressResolver({ ...given, settings: common }));
    case "route-finder": {
      const { transports } = context;
      const source = transports === undefined ? await settings.transports?.() : toldTransports(transports);
      if (source === undefined) {
        throw new InvalidServiceSettingError("The route finder has no transport discovery", {
          hint: "run transport-discovery beside it, or name one",
        });
      }
      return started(await runRouteFinder({ ...given, settings: common, transports: source }));
    }
    case "service-discovery":
      return started(
        await runServiceDiscovery({ ...given, settings: common, locations: settings.locations?.() }),
      );
    case "uptime-tracker":
      return started(
        await runUptimeTracker({ ...given, settings: common, locations: settings.locations?.() }),
      );
    case "config-bootstrapper": {
      const services = new HttpServices({ world, log, userAgent });
      return started(
        await runConfigBootstrapper({
          ...given,
          settings: common,
          deployment: settings.told ?? context.told,
          ask: (name: string, { http }: ServiceAddress) => services.askService(name, http!),
          owned: services,
        }),
      );
    }
    case "setup-node": {
      const its = {
        address: plan.mode === "dmsg" ? undefined : plan.address,
        circuits: settings.circuits,
        build,
      };
      return started(
        await runSetupNode({ world, keys: keys!, network, log, userAgent, settings: its, postQuantum }),
      );
    }
    case "transport-setup":
      return started(
        await runTransportSetup({
          world,
          keys: keys!,
          network,
          log,
          userAgent,
          settings: { address, build },
          postQuantum,
        }),
      );
  }
}

/** Registers over HTTP where the discovery is in the same process, or has no dmsg side; else strictly over dmsg. */
async function startServer(plan: PlannedService, keys: KeyPair, context: StartContext): Promise<Started> {
  const { world, log, network, build, postQuantum } = context;
  const { name, discoveryHttp: discovery, discoveryDmsg, servers } = network;
  const isAside = context.isDiscoveryHere && plan.network === undefined;
  const running = await runDmsgServer({
    world,
    log,
    keys,
    version: build.version,
    postQuantum,
    config: {
      secretKey: keys.secretKey,
      deployments: [{ name, discovery, discoveryDmsg, servers, advertisedAddress: undefined }],
      registration: isAside || discoveryDmsg === undefined ? "http" : "dmsg",
      peering: {},
      publicAddress: plan.publicAddress ??
        (plan.address === undefined || plan.address.port === 0 ? undefined : publicly(plan, plan.address)),
      health: undefined,
      logLevel: "info",
      updateIntervalMs: SERVER_ENTRY_REFRESH_MS,
      sessionsMax: SERVER_SESSIONS_MAX,
      authPassphrase: undefined,
      surveyWhitelist: network.surveyWhitelist ?? [],
      ...plan.settings.server,
      listen: plan.address ?? NOWHERE,
    },
  });
  return startedServer(plan, running, keys.publicKey);
}

const NOWHERE = { hostname: "127.0.0.1", port: 0 };
