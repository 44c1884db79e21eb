/** What the matrix asks of a program about a whole deployment, whoever made it. @module */
import type { Deployment, DeploymentServices, RouteVisor } from "./route_build.ts";

/** Every service there is, running, each over HTTP and over dmsg. */
export interface WholeDeployment extends Deployment {
  readonly services: DeploymentServices & {
    readonly service_discovery: string;
    readonly uptime_tracker: string;
    readonly conf: string;
    readonly transport_setup: readonly string[];
  };
  /** `transport_discovery_dmsg` and so on: `dmsg://key:80`. */
  readonly overDmsg: Readonly<Record<string, string>>;
  /** Where the transport setup node takes orders: an HTTP URL. */
  readonly transportSetup: string;
  /** After it the uptime tracker lists who said that he is up. */
  refreshUptimes(): Promise<void>;
}

export interface ServiceVisorOptions {
  /** Of every route that its apps dial. */
  readonly minHops?: number;
  readonly isPublic?: boolean;
  /** An app by the name of a VPN server runs on it, too. */
  readonly hasVpn?: boolean;
}

/** A program that can be a whole deployment, and a visor there. */
export interface ServiceBuild {
  startDeployment(): Promise<WholeDeployment>;
  /** On a deployment of either program, with a configuration that our `conf gen` made. */
  startVisor(deployment: WholeDeployment, options?: ServiceVisorOptions): Promise<RouteVisor>;
}
