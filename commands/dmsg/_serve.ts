/** What `skyctl dmsg serve` does. @module */
import { ConnClosedError, isAbort, logTo, renderLogRecord, Scope, untilAborted } from "../../lib/base/mod.ts";
import { homeOf, type Io } from "../../lib/cli/mod.ts";
import { ControlClient, NoVisorError } from "../../lib/control/mod.ts";
import { keptKeyPair } from "../../lib/crypto/mod.ts";
import { connectToAny } from "../../lib/directory/mod.ts";
import { serveDmsgHttp } from "../../lib/dmsg/mod.ts";
import { folderHandler, NotAFolderError } from "../../lib/visor/mod.ts";
import { type NetworkOptions, withClient } from "../_look_up.ts";

export interface ServeOptions extends NetworkOptions {
  readonly port: number;
  readonly standalone?: boolean | undefined;
  readonly key?: string | undefined;
}

/** Serves until Ctrl-C, which is an orderly end: exit code 0. */
export async function serve(io: Io, folder: string, options: ServeOptions): Promise<void> {
  const path = (await io.world()).files.absolute(folder);
  try {
    const alone = options.standalone === true || options.key !== undefined ||
      options.deployment !== undefined;
    if (!alone && await serveFromVisor(io, path, options)) return;
    await serveAlone(io, path, options);
  } catch (error) {
    if (!(isAbort(error) && io.signal.aborted)) throw error;
  }
  io.emitEach({ event: "stopped" }, () => "stopped");
}

/** False when no visor runs. */
async function serveFromVisor(io: Io, folder: string, options: ServeOptions): Promise<boolean> {
  const home = homeOf(io, options);
  const world = await io.world();
  let control: ControlClient;
  try {
    control = await ControlClient.open(home, world);
  } catch (error) {
    if (error instanceof NoVisorError) return false;
    throw error;
  }
  await using client = control;
  let isServing = false;
  let cause: unknown;
  try {
    for await (const _ of client.stream("serve", { folder, port: options.port }, io.signal)) { // until one of us ends
      isServing = true;
      announce(io, { publicKey: client.control.publicKey, port: options.port, folder, from: "visor" });
    }
  } catch (error) {
    io.signal.throwIfAborted();
    if (!isServing && error instanceof NoVisorError) return false;
    if (!isServing) throw error;
    cause = error;
  }
  throw new ConnClosedError(cause, "The visor stopped, and serves no more");
}

async function serveAlone(io: Io, folder: string, options: ServeOptions): Promise<void> {
  const world = await io.world();
  if ((await world.files.info(folder))?.isDirectory !== true) throw new NotAFolderError(folder);
  const keys = options.key === undefined ? undefined : await keptKeyPair(world, options.key);
  await withClient(io, options, { keys, publish: true, sessionsMin: 2 }, async ({ dmsg }) => {
    await using scope = new Scope();
    const log = logTo(
      (record) => options.verbose && io.note(renderLogRecord(record)),
      () => world.clock.wallMs(),
    );
    serveDmsgHttp({
      client: dmsg,
      world,
      handler: { raw: folderHandler(folder, world) },
      scope,
      log,
      port: options.port,
    });
    io.note("connecting to dmsg servers...");
    await connectToAny(dmsg, io.signal);
    await dmsg.whenPublished(io.signal);
    announce(io, { publicKey: dmsg.publicKey, port: options.port, folder, from: "own client" });
    await untilAborted(io.signal);
  });
}

function announce(
  io: Io,
  serving: {
    readonly publicKey: string;
    readonly port: number;
    readonly folder: string;
    readonly from: string;
  },
): void {
  const url = `dmsg://${serving.publicKey}:${serving.port}/`;
  io.emitEach({ event: "serving", url, ...serving }, () => `serving ${serving.folder} at ${url}`);
  if (!io.json) io.note("Ctrl-C stops it");
}
