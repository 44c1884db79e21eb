/**
 * Fills the matrix: starts each network, lets both sides meet on it, ends it.
 *
 * @module
 */
import type { Place, RunningVisor } from "./build.ts";
import { hashOfFile, SkipError } from "./build.ts";
import { cellFiller, type CellOptions, type FillCell } from "./cells.ts";
import { type Lab, poll } from "./lab.ts";
import { type NetworkPlan, type Role, rowsOf, type Side } from "./matrix.ts";
import { OurBuild } from "./ours.ts";
import { hasNoEntry, PeerBuild } from "./peer.ts";
import { registered } from "./registered.ts";

/** Of the file that is fetched each way. */
export const FILE_BYTES = 32 * 1024 * 1024;

/** What a refusal says, on our side (protocol: pq, section 5). */
const REQUIRED = "post-quantum required (SKYWIRE_REQUIRE_PQ)";
/** A refusal that takes longer was no refusal but a time-out. */
const AT_ONCE_MS = 8_000;

export interface LiveOptions extends CellOptions {
  readonly lab: Lab;
  readonly ours: OurBuild;
  readonly theirs: OurBuild | PeerBuild;
  /** A folder with {@link FILE_BYTES} of `big.bin`. */
  readonly site: string;
  /** What takes minutes is waited for, too. Default: it is skipped. */
  readonly isPatient?: boolean;
}

/** One network of one column. Never rejects: what cannot be tried is a failed or skipped cell. */
export async function tryNetwork(network: NetworkPlan, options: LiveOptions): Promise<void> {
  const rows = rowsOf(network);
  const cell: Try = cellFiller(rows, options);
  try {
    await meet(network, options, cell);
  } catch (error) {
    // The network itself did not come up: that is the outcome of all that is still open.
    for (const { role, from } of rows) await cell(role, from, () => Promise.reject(error));
  }
}

type Try = FillCell<Role>;

async function meet(network: NetworkPlan, options: LiveOptions, cell: Try): Promise<void> {
  const { lab, ours, theirs, site } = options;
  const builds: Record<Side, OurBuild | PeerBuild> = { ours, theirs };
  await using ends = new AsyncDisposableStack();
  const discovery = await builds[network.discovery].startDiscovery();
  ends.defer(() => discovery.end());
  const server = await builds[network.server].startServer(discovery.url);
  ends.defer(() => server.end());
  await cell("registration", network.server, async () => {
    await registered(discovery.url, server.publicKey);
    return `listed as ${server.address}`;
  });
  const place: Place = {
    discovery: discovery.url,
    serverKey: server.publicKey,
    serverAddress: server.address,
    deploymentFile: lab.path("deployment.json"),
  };
  await registered(discovery.url, server.publicKey);
  await Deno.writeTextFile(
    place.deploymentFile,
    JSON.stringify({
      interop: {
        dmsg_discovery: place.discovery,
        dmsg_servers: [{ static: place.serverKey, server: { address: place.serverAddress } }],
      },
    }),
  );
  const visors: Record<Side, RunningVisor> = {
    ours: await ours.startVisor(place, site),
    theirs: await theirs.startVisor(place, site),
  };
  let live = true;
  ends.defer(async () => {
    if (live) await Promise.all([visors.ours.end(), visors.theirs.end()]);
  });

  for (const side of SIDES) {
    await cell("session", side, async () => {
      const expected = builds[side].hasHybrid && builds[network.server].hasHybrid;
      const [asked, served] = [
        await visors[side].sessionIsHybrid(server.publicKey),
        (await server.sessionWith(visors[side].publicKey)).isHybrid,
      ];
      for (const isHybrid of [asked, served]) {
        if (isHybrid !== undefined && isHybrid !== expected) {
          throw new Error(`The session is ${isHybrid ? "hybrid" : "classical"}, and should not be`);
        }
      }
      const warned = visors[side].warnedOfDowngrade(server.publicKey);
      const offered = builds[side].hasHybrid && !expected;
      if (warned !== undefined && warned !== offered) {
        throw new Error(
          `${warned ? "A" : "No"} warning of a downgrade, with ${offered ? "an" : "no"} offer in vain`,
        );
      }
      return expected ? "hybrid" : offered ? "offered, classical, warned of" : "classical";
    });
  }
  for (const from of SIDES) {
    const [mine, yours] = [visors[from], visors[other(from)]];
    await cell("entry", from, async () => {
      const servers = await yours.delegatedServers(mine.publicKey);
      if (!servers.includes(server.publicKey)) throw new Error(`The entry names ${servers}`);
      return `found with ${servers.length} server`;
    });
    await cell("ping", from, async () => `${(await mine.ping(yours.publicKey)).toFixed(2)} ms`);
    await cell("health", from, async () => {
      const body = await mine.get(`dmsg://${yours.publicKey}:80/health`);
      const { started_at } = JSON.parse(body);
      if (typeof started_at !== "string") throw new Error(`No started_at in ${body.slice(0, 200)}`);
      return `started at ${started_at}`;
    });
    await cell("file", from, async () => {
      const file = lab.path("got.bin");
      const startedMs = performance.now();
      await mine.download(`dmsg://${yours.publicKey}:80/big.bin`, file);
      const seconds = (performance.now() - startedMs) / 1000;
      const [got, wanted] = [await hashOfFile(file), await hashOfFile(`${site}/big.bin`)];
      await Deno.remove(file);
      if (got !== wanted) throw new Error(`SHA-256 is ${got} instead of ${wanted}`);
      return `${(FILE_BYTES / 1e6 / seconds).toFixed(1)} MB/s, SHA-256 ${got.slice(0, 16)}`;
    });
  }
  if (network.discovery === "ours") {
    await required({ network, options, cell, place, visors });
  }

  live = false;
  for (const side of SIDES) {
    const { publicKey } = visors[side];
    await visors[side].end();
    await cell("entry deleted", side, async () => {
      const gone = async () => await hasNoEntry(discovery.url, publicKey) || undefined;
      await poll(gone, { withinMs: 5_000, what: () => "The entry is still there" });
      return "gone";
    });
  }
}

/** What happens when our side requires the hybrid: refused at once and told of, or, between two of ours, hybrid. */
async function required(
  { network, options, cell, place, visors }: {
    readonly network: NetworkPlan;
    readonly options: LiveOptions;
    readonly cell: Try;
    readonly place: Place;
    readonly visors: Record<Side, RunningVisor>;
  },
): Promise<void> {
  const { column, lab, theirs, site } = options;
  const ours = options.ours.with("require");
  const refuses = theirs instanceof PeerBuild;
  const whenRequired = (work: () => Promise<string>) => async () => {
    if (column.postQuantum === "off") {
      throw new SkipError("required and off exclude each other: see the column with the offer");
    }
    return await work();
  };
  const command = (url: string) => ["dmsg", "curl", url, "--deployment", place.deploymentFile, "-t", "30s"];

  if (network.server === "theirs") {
    await cell(
      "required session",
      "ours",
      whenRequired(async () => {
        const result = await ours.run(command(`dmsg://${visors.theirs.publicKey}:80/health`));
        return judge(refuses, result, result.stderr);
      }),
    );
    return;
  }
  await cell(
    "required stream",
    "ours",
    whenRequired(async () => {
      const result = await ours.run(command(`dmsg://${visors.theirs.publicKey}:80/health`));
      return judge(refuses, result, result.stderr);
    }),
  );
  await cell(
    "required stream",
    "theirs",
    whenRequired(async () => {
      const serving = ours.start(["dmsg", "serve", site, "--deployment", place.deploymentFile, "-v"]);
      try {
        const [, url] = await serving.said(/serving .* at (dmsg:\S+)/);
        return judge(refuses, await requestOf(theirs, place, `${url}small.txt`), () => serving.stderr);
      } finally {
        await serving.end("SIGINT");
      }
    }),
  );
  await cell(
    "required session",
    "theirs",
    whenRequired(async () => {
      const discovery = await ours.startDiscovery();
      const server = await ours.startServer(discovery.url);
      try {
        await registered(discovery.url, server.publicKey);
        const file = lab.path("deployment.json");
        const text = { interop: { dmsg_discovery: discovery.url, dmsg_servers: [] } };
        await Deno.writeTextFile(file, JSON.stringify(text));
        const alone = { ...place, discovery: discovery.url, deploymentFile: file };
        if (!refuses) { // nobody else is there: a session is all there can be
          const visor = await theirs.startVisor(alone, site);
          const { isHybrid } = await server.sessionWith(visor.publicKey);
          await visor.end();
          if (!isHybrid) throw new Error("The session is classical");
          return "hybrid";
        }
        const result = await requestOf(theirs, alone, `dmsg://${visors.ours.publicKey}:80/health`);
        return judge(refuses, result, () => server.program.stderr);
      } finally {
        await server.end();
        await discovery.end();
      }
    }),
  );
}

async function requestOf(build: OurBuild | PeerBuild, place: Place, url: string) {
  if (build instanceof PeerBuild) return await build.request(place.discovery, url);
  return await build.run(["dmsg", "curl", url, "--deployment", place.deploymentFile]);
}

/** Refused, at once, and our side says why; or, where both have the hybrid, done. */
async function judge(
  refuses: boolean,
  { code, stdout, stderr, tookMs }: { code: number; stdout: string; stderr: string; tookMs: number },
  ourWords: string | (() => string),
): Promise<string> {
  if (!refuses) {
    if (code !== 0) throw new Error(`Both sides have the hybrid, and yet: ${stderr.slice(-400)}`);
    return "hybrid";
  }
  if (code === 0) throw new Error(`Not refused: ${stdout.slice(0, 200)}`);
  const words = typeof ourWords === "string" ? () => ourWords : ourWords;
  await poll(() => words().includes(REQUIRED) || undefined, {
    withinMs: 2_000,
    what: () => `Our side does not say why: ${words().slice(-400)}`,
  });
  if (tookMs > AT_ONCE_MS) throw new Error(`Refused only after ${Math.round(tookMs)} ms`);
  return `refused after ${Math.round(tookMs)} ms: ${REQUIRED}`;
}

const SIDES: readonly Side[] = ["ours", "theirs"];
const other = (side: Side): Side => side === "ours" ? "theirs" : "ours";
