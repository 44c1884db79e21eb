/** `skyctl dmsg`: what can be asked of, and done over, dmsg. @module */
import { type AnyCommand, type Io, noun } from "../../lib/cli/mod.ts";
import { pullCommand } from "../conf/pull.ts";
import { connectAllCommand } from "./connect_all.ts";
import { curlCommand } from "./curl.ts";
import { entryCommand } from "./entry.ts";
import { pingCommand } from "./ping.ts";
import { serveCommand } from "./serve.ts";
import { serverNoun } from "./server.ts";
import { serversCommand } from "./servers.ts";
import { sessionsCommand } from "./sessions.ts";

/** The noun with its verbs. */
export function dmsgNoun(io: Io): AnyCommand {
  return noun("dmsg", "Sessions, servers, entries, pings and HTTP over dmsg; run a dmsg server", [
    sessionsCommand(io),
    connectAllCommand(io),
    serversCommand(io),
    entryCommand(io),
    pingCommand(io),
    curlCommand(io),
    serveCommand(io),
    serverNoun(io),
    noun("conf", "The dmsg servers of a deployment file", [pullCommand(io)]),
  ]);
}
