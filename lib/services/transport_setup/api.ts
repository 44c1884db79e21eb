/**
 * The routes by which an operator has visors make transports (services.md 11). There is no authentication: they
 * are for this machine alone.
 *
 * @module
 */
import { type Conn, describeError, type Log, silentLog, SkyError } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import { DmsgError } from "../../dmsg/mod.ts";
import { type GatewayTransport, TransportGatewayClient } from "../../routing/setup/mod.ts";
import { withTimeout, type World } from "../../runtime/mod.ts";
import { RpcError } from "../../wire/rpc/mod.ts";
import {
  allowing,
  type Answer,
  type BuildInfo,
  type DmsgStatus,
  goJson,
  health,
  NOT_FOUND,
  plain,
  readKey,
  type RefusalCounts,
  type ServiceApi,
} from "../hosting/mod.ts";
import { BAD_KEY, type Problem, readAdd, readRemove } from "./_request.ts";
import { REQUEST_BYTES_MAX, REQUEST_TIMEOUT_MS, REQUESTS_MAX } from "./settings.ts";

export interface TransportSetupOptions {
  readonly world: Pick<World, "clock">;
  /** Opens a stream to the gateway of a visor, dmsg port 47. */
  readonly dial: (visor: PublicKey, options: { readonly signal: AbortSignal }) => Promise<Conn>;
  readonly build?: BuildInfo;
  readonly dmsgStatus?: () => DmsgStatus | undefined;
  /** What was refused so far. */
  readonly refused?: () => RefusalCounts;
  readonly log?: Log;
}

/** `operator` answers everything, `health` that alone. */
export function createTransportSetup(
  options: TransportSetupOptions,
): { readonly operator: ServiceApi; readonly health: ServiceApi } {
  const { world, dial, build, dmsgStatus, refused: refusals, log = silentLog } = options;
  const startedAtMs = world.clock.wallMs();
  let asking = 0;

  /** Asks one visor one thing; whatever it answers, the stream is closed afterwards. */
  async function ask(
    visor: PublicKey,
    question: (gateway: TransportGatewayClient, signal: AbortSignal) => Promise<object>,
  ): Promise<Answer> {
    if (asking >= REQUESTS_MAX) return failed(503, "too many requests at once");
    asking++;
    try {
      const limit = { what: `Asking visor ${visor}`, afterMs: REQUEST_TIMEOUT_MS };
      return await withTimeout(world.clock, limit, async (signal) => {
        const conn = await dial(visor, { signal }).catch((cause) => {
          throw new DialError(cause);
        });
        const gateway = new TransportGatewayClient(conn, world);
        try {
          return plain(`${goJson(await question(gateway, signal))}\n`);
        } finally {
          gateway.close();
          await gateway.closed;
        }
      });
    } catch (error) {
      const text = textOf(error);
      log.debug("A visor did not do what it was asked", { visor, cause: describeError(error) });
      if (text === undefined) throw error;
      return failed(500, text);
    } finally {
      asking--;
    }
  }

  const operator: ServiceApi = async (question) => {
    const { method, path } = question;
    // A web page that the operator looks at may post here, too, and its browser says so.
    if (question.header("origin") !== undefined) return failed(403, "not for web pages");
    if (path === "/health") return await healthApi(question);
    if (path === "/add") {
      if (method !== "POST") return allowing("POST");
      const request = readAdd(await question.bytes(REQUEST_BYTES_MAX));
      if ("problem" in request) return refused(request);
      const { from, to, type } = request;
      return await ask(from, async (gateway, signal) => wire(await gateway.add(to, type, signal)));
    }
    if (path === "/remove") {
      if (method !== "POST") return allowing("POST");
      const request = readRemove(await question.bytes(REQUEST_BYTES_MAX));
      if ("problem" in request) return refused(request);
      const { from, id } = request;
      return await ask(from, async (gateway, signal) => ({ Result: await gateway.remove(id, signal) }));
    }
    const [, keyText] = /^\/([^/]+)\/transports$/.exec(path) ?? [];
    if (keyText === undefined) return NOT_FOUND;
    if (method !== "GET") return allowing("GET");
    const visor = readKey(keyText);
    if (visor === undefined) return refused(BAD_KEY);
    return await ask(visor, async (gateway, signal) => (await gateway.list(signal)).map(wire));
  };

  const healthApi: ServiceApi = async ({ method, path }) => {
    if (path !== "/health") return NOT_FOUND;
    if (method !== "GET") return allowing("GET");
    return health({
      serviceName: "transport-setup",
      startedAtMs,
      build,
      dmsg: dmsgStatus?.(),
      refused: refusals?.(),
    });
  };

  return { operator, health: healthApi };
}

/** The visor cannot be dialled. Its text is the original's. */
class DialError extends Error {
  constructor(cause: unknown) {
    super(`error dialing remote visor: ${dmsgTextOf(cause) ?? describeError(cause)}`, { cause });
  }
}

/** What the operator is told; undefined for a defect of ours. */
function textOf(error: unknown): string | undefined {
  if (error instanceof RpcError) return error.text;
  if (error instanceof DialError || error instanceof SkyError) return error.message;
  return undefined;
}

/**
 * The words of the protocol's own error behind that of a dial: that there is no entry, where it is so, for sessions
 * which are tried all the same fail for no other reason.
 */
function dmsgTextOf(error: unknown): string | undefined {
  const found = dmsgErrorsIn(error);
  return (found.find(({ dmsgCode }) => dmsgCode === 100) ?? found[0])?.message;
}

function dmsgErrorsIn(error: unknown): DmsgError[] {
  if (!(error instanceof Error)) return [];
  const behind = error instanceof AggregateError ? error.errors : [error.cause];
  return [...error instanceof DmsgError ? [error] : [], ...behind.flatMap(dmsgErrorsIn)];
}

function wire({ id, local, remote, type }: Omit<GatewayTransport, "label">): object {
  return { ID: id, Local: local, Remote: remote, Type: type };
}

function refused({ problem }: Problem): Answer {
  return failed(400, problem);
}

function failed(status: number, error: string): Answer {
  return plain(`${goJson({ error })}\n`, status);
}
