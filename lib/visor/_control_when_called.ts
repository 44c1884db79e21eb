/** The control API's server, loaded by the first call of it. @module */
import type { World } from "../runtime/mod.ts";
import type { ControlHandlerOptions } from "./control_server.ts";

/** The longest body of a call, for the HTTP server below the handler. */
export const CONTROL_BODY_BYTES_MAX = 64 * 1024;

/** The handler of `control_server.ts`: its schemas take a tenth of a visor's start, which needs none of them. */
export function controlWhenCalled(
  world: Pick<World, "outside">,
  options: ControlHandlerOptions,
): (request: Request) => Promise<Response> {
  let loading: Promise<(request: Request) => Promise<Response>> | undefined;
  const load = async () => {
    const { controlHandler } = await world.outside(() => import("./control_server.ts"));
    return controlHandler(options);
  };
  return async (request) => {
    const handler = await (loading ??= load());
    return await handler(request);
  };
}
