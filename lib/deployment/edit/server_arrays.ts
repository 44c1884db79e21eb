/**
 * The lists of dmsg servers in a deployment file, written anew; every other byte stays (protocol: operations 6).
 *
 * @module
 */
import { CallerError, PeerError } from "../../base/mod.ts";
import { CONFIG_CHARS_MAX, ConfigError } from "../config_fields.ts";
import type { DeploymentServer } from "../deployment.ts";
import type { Edit } from "./edits.ts";
import { type JsonNode, parseJsonTree } from "./tree.ts";
import { indentAt, lineBreakAt } from "./layout.ts";

/** The member that holds the servers, at any depth. */
const MEMBER = "dmsg_servers";

/** What of a server is written. */
export type ListedServer = Pick<DeploymentServer, "publicKey" | "address">;

/** A file without a list of servers: there is nothing to write them into. */
export class NoServerArrayError extends CallerError {
  readonly code = "NO_SERVER_ARRAY";
  constructor(readonly file: string) {
    super(`no dmsg_servers array found in ${file}`, { hint: "name a deployment file with --config FILE" });
  }
}

/** A discovery without servers: whoever believed it would cut a deployment off. */
export class NoServersListedError extends PeerError {
  readonly code = "NO_SERVERS_LISTED";
  constructor() {
    super("discovery returned no servers; refusing to wipe dmsg_servers", {
      hint: "ask again when the servers of the deployment have registered",
    });
  }
}

/**
 * The edits that give every `dmsg_servers` list of `text` these servers, in this order. Errors: `ConfigError` for
 * what is no JSON, `NoServerArrayError`, `NoServersListedError`.
 */
export function serverArrayEdits(text: string, servers: readonly ListedServer[], file: string): Edit[] {
  if (servers.length === 0) throw new NoServersListedError();
  const places = placesOf(text, file);
  if (places.length === 0) throw new NoServerArrayError(file);
  const written = renderServers(servers);
  const writtenChars = written.reduce((sum, each) => sum + each.length, 0);
  // The line that a member will stand in: what is before it may be a list that ends differently from now on.
  let [line, lineBreak, at] = ["", lineBreakAt(text, 0), 0];
  let chars = text.length;
  const pass = (piece: string) => {
    const end = piece.lastIndexOf("\n");
    if (end >= 0) lineBreak = lineBreakAt(piece, end + 1);
    line = end < 0 ? line + piece : piece.slice(end + 1);
  };
  return places.map(({ member, start, end }) => {
    pass(text.slice(at, member));
    const between = lineBreak + indentAt(line, line.length);
    chars += writtenChars + written.length * between.length; // before it is made: an indent may be long
    if (chars > CONFIG_CHARS_MAX) throw new ConfigError(file, "", "with the servers it would be too large");
    const list = written.join(between);
    pass(text.slice(member, start) + list);
    at = end;
    return { start, end, text: list };
  });
}

/** How many lists of servers `text` has. Errors: `ConfigError`. */
export function countServerArrays(text: string, file: string): number {
  return placesOf(text, file).length;
}

/** Where each list is, and its member's name, in their order. */
function placesOf(text: string, file: string): { member: number; start: number; end: number }[] {
  const places: { member: number; start: number; end: number }[] = [];
  const look = (node: JsonNode): void => {
    if (node.kind === "array") node.items.forEach(look);
    if (node.kind !== "object") return;
    for (const { name, start: member, value } of node.members) {
      if (name !== MEMBER || value.kind !== "array") look(value);
      else places.push({ member, start: value.start, end: value.end });
    }
  };
  look(parseJsonTree(text, file));
  return places;
}

/** Lines of a list, as far in as its member stands. */
function renderServers(servers: readonly ListedServer[]): string[] {
  return JSON.stringify(
    servers.map(({ publicKey, address }) => ({ static: publicKey, server: { address } })),
    null,
    2,
  ).split("\n");
}
