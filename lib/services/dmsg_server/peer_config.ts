/** What a server's configuration says about peers (dmsg.md 13.1; DS-8). @module */
import type { Fields } from "../../deployment/mod.ts";
import { PEER_LINKS_MAX, type PeerServer, type PeerSettings, RELAYED_STREAMS_MAX } from "../../dmsg/mod.ts";

/** The largest bound that can be set: more is a slip of the pen. */
const LINKS_CEILING = 65_535;
const STREAMS_CEILING = 1_000_000;

/** Reads the settings. Errors: `ConfigError`. */
export function readPeerSettings(fields: Fields): PeerSettings {
  return {
    peers: fields.list("peers").map(readPeer),
    announce: fields.boolean("announce_as_peer"),
    acceptAnnouncements: fields.boolean("accept_peer_announcements"),
    acceptedKeys: fields.keys("accepted_peer_pks"),
    linksMax: fields.wholeNumber("max_peer_links", 0, LINKS_CEILING) || PEER_LINKS_MAX,
    relayedStreamsMax: fields.wholeNumber("max_relayed_streams", 0, STREAMS_CEILING) || RELAYED_STREAMS_MAX,
  };
}

function readPeer(fields: Fields): PeerServer {
  const address = fields.text("address") ?? "";
  const { hostname, port } = fields.address("address", address, "");
  if (hostname === "" || port === 0) fields.refuse("address", "it must be host:port that can be dialled");
  return { publicKey: fields.key("public_key"), address };
}
