/** @module */

/** Names a `skywire` program where `--peer` does not. */
export const PEER_VARIABLE = "SKYCTL_INTEROP_PEER";
