/**
 * Apps of a visor, run inside its process: skysocks and its client.
 *
 * ```ts
 * import { AppArguments } from "./mod.ts";
 * const given = new AppArguments("skysocks-client", ["app", "skysocks-client", "--addr", ":1080"], { addr: "value" });
 * console.log(given.address("addr")); // { hostname: "127.0.0.1", port: 1080 }
 * ```
 *
 * @module
 */
export * from "./app.ts";
export * from "./arguments.ts";
export * from "./errors.ts";
export * from "./launcher.ts";
export { skysocksApp } from "./skysocks_app.ts";
export { skysocksClientApp } from "./skysocks_client_app.ts";
