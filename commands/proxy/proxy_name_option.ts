/** The name of the skysocks client that is meant when none is given. @module */
export const PROXY_NAME_DEFAULT = "skysocks-client";
