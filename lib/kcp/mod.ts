/**
 * KCP: reliable, ordered bytes over UDP, wire-compatible with the network's; knows nothing of who is at its ends.
 *
 * ```ts
 * import { systemWorld } from "../runtime/mod.ts";
 * import { KcpSocket } from "./mod.ts";
 *
 * const world = systemWorld();
 * const loopback = { hostname: "127.0.0.1", port: 0 };
 * const server = new KcpSocket(await world.network.datagrams(loopback), { world, admits: () => true });
 * const client = new KcpSocket(await world.network.datagrams(loopback), { world });
 * const conn = client.dial(server.address);
 * await conn.write(new TextEncoder().encode("hello"));
 * const accepted = await server.accept();
 * console.log(new TextDecoder().decode((await accepted!.read())!));
 * conn.close();
 * accepted!.close();
 * client.close();
 * server.close();
 * await Promise.all([client.closed, server.closed]);
 * ```
 *
 * @module
 */
export { KcpConn } from "./conn.ts";
export * from "./engine.ts";
export * from "./limits.ts";
export * from "./segment.ts";
export * from "./socket.ts";
