/** Where things are in every fleet. @module */

/** Host name of the machine of the dmsg discovery. */
export const DISCOVERY_HOST = "discovery";
export const DISCOVERY_PORT = 9_090;
export const DISCOVERY_URL = `http://${DISCOVERY_HOST}:${DISCOVERY_PORT}`;
/** TCP port of each dmsg server. */
export const SERVER_PORT = 8_080;
/** dmsg port on which a visor says back what it hears. */
export const ECHO_PORT = 1_000;
/** dmsg port on which a visor takes checked streams. */
export const BULK_PORT = 2_000;
/** What the programs of a fleet call their version. */
export const SIM_VERSION = "sim";
