/**
 * Well-known dmsg ports (dmsg.md 5.2). A port belongs to the whole client, whichever server carries the stream.
 *
 * @module
 */

/** Biggest port; ports are u16. Port 0 means "none". */
export const PORT_MAX = 65_535;

/** Liveness of a client: ping and pong bytes. */
export const DMSGCTRL_PORT = 7;
/** Remote terminal. */
export const DMSGPTY_PORT = 22;
/** Setup node: dial a route group. */
export const SETUP_NODE_PORT = 36;
/** Transports over dmsg. */
export const TRANSPORT_PORT = 45;
/** Hypervisor's RPC. */
export const HYPERVISOR_PORT = 46;
/** RPC by which a transport setup node makes a visor add transports. */
export const TRANSPORT_SETUP_PORT = 47;
/** Health of a transport setup node (services.md 11). */
export const TRANSPORT_SETUP_SERVICE_PORT = 48;
/** A client that relays sessions of others. */
export const RELAY_PORT = 70;
/** HTTP of services, and a visor's own pages. The port of a URL that names none. */
export const HTTP_PORT = 80;
/** Rules of a route, sent by a setup node to each visor on it. */
export const AWAIT_SETUP_PORT = 136;
