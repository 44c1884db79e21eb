/**
 * The config bootstrapper, asked for the deployment that a node shall join (services.md 8).
 *
 * @module
 */
import {
  type Deployment,
  DeploymentError,
  type Deployments,
  mergeDeployments,
  readDeployments,
} from "../deployment/mod.ts";
import type { AskService } from "../dmsg/mod.ts";
import { asObject, jsonOf, refused } from "./_answers.ts";
import { ServiceAnswerError } from "./errors.ts";

/** Errors of each call: `ServiceUnreachableError`, `ServiceRefusedError`, `ServiceAnswerError`. */
export class ConfigBootstrapperClient {
  readonly #ask: AskService;

  constructor(ask: AskService) {
    this.#ask = ask;
  }

  /**
   * The deployment. What the service leaves open, as those of 2024 leave every address over dmsg, is taken from
   * `fallback`, which belongs to the same network.
   */
  async deployment(
    { fallback, signal }: { readonly fallback?: Deployment; readonly signal?: AbortSignal } = {},
  ): Promise<Deployment> {
    const told = await this.#read("/", signal);
    return fallback === undefined ? told : mergeDeployments({ it: told }, { it: fallback })["it"]!;
  }

  /** The same services by their addresses over dmsg, and the servers of the discovery. */
  async overDmsg(signal?: AbortSignal): Promise<Deployment> {
    return await this.#read("/dmsghttp", signal, (body) =>
      Object.fromEntries(
        Object.entries(body).map(([name, value]) =>
          typeof value === "string" && /^[0-9a-f]{66}(?::|$)/i.test(value)
            ? [`${name}_dmsg`, `dmsg://${value}`]
            : [name, value ?? []]
        ),
      ));
  }

  async #read(
    path: string,
    signal: AbortSignal | undefined,
    translate: (body: Readonly<Record<string, unknown>>) => object = (body) => body,
  ): Promise<Deployment> {
    const answer = await this.#ask({ method: "GET", path }, signal);
    if (answer.status !== 200) throw refused(SERVICE, "its configuration", answer);
    const body = asObject(jsonOf(SERVICE, answer));
    let deployments: Deployments;
    try {
      if (body === undefined) throw new DeploymentError("", answer.text, "a JSON object");
      deployments = readDeployments({ it: translate(body) });
    } catch (cause) {
      if (!(cause instanceof DeploymentError)) throw cause;
      throw new ServiceAnswerError(`The ${SERVICE} answered with what is no deployment`, { cause });
    }
    return deployments["it"]!;
  }
}

const SERVICE = "config bootstrapper";
