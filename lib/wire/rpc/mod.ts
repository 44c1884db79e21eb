/**
 * Go's net/rpc over any connection: calls by name, values as gob.
 *
 * ```ts
 * import { memoryPair } from "../../base/mod.ts";
 * import { systemWorld } from "../../runtime/mod.ts";
 * import { gobText } from "../gob/mod.ts";
 * import { RpcClient, rpcMethod, serveRpc } from "./mod.ts";
 * const [near, far] = memoryPair();
 * const hello = rpcMethod({ argument: gobText, reply: gobText, handle: (name) => `hello ${name}` });
 * const serving = serveRpc(far, { "Greeter.Hello": hello });
 * const client = new RpcClient(near, { world: systemWorld() });
 * console.log(await client.call("Greeter.Hello", gobText, "world", gobText)); // hello world
 * client.close();
 * await serving;
 * ```
 *
 * @module
 */
export { CLIENT_CALLS_MAX, RPC_CALL_TIMEOUT_MS, RpcClient, type RpcClientOptions } from "./client.ts";
export { ERROR_TEXT_CHARS_MAX, RpcError, RpcShutDownError, rpcTextOf, type WithRpcText } from "./errors.ts";
export {
  type RpcMethod,
  rpcMethod,
  type RpcMethods,
  SERVER_CALLS_MAX,
  serveRpc,
  type ServeRpcOptions,
} from "./server.ts";
