/**
 * `deno task interop [--peer PATH] [--json]`: living interoperability, as a matrix of role, direction and peer.
 *
 * `--peer` (or `SKYCTL_INTEROP_PEER`) is a `skywire` program of the operator's own. Without one its columns are
 * skips, and only the control column, ours against ours, is filled live. Everything runs on loopback and on free
 * ports, and is ended, also by Ctrl-C. Progress goes to stderr, the table or the JSON to stdout. Exit code 1 when
 * a cell failed or is empty, 2 when the peer is no such program. See `docs/interop.md`.
 *
 * @module
 */
import { parseTask, runTask } from "./_arguments.ts";
import settings from "../deno.json" with { type: "json" };
import { Lab } from "../tests/interop/lab.ts";
import { FILE_BYTES, tryNetwork } from "../tests/interop/live.ts";
import { type Column, Matrix, NETWORKS } from "../tests/interop/matrix.ts";
import { OurBuild } from "../tests/interop/ours.ts";
import { NoPeerError, PeerBuild } from "../tests/interop/peer.ts";

/** Names a `skywire` program where `--peer` does not. */
const PEER_VARIABLE = "SKYCTL_INTEROP_PEER";

/** Everything together; what has not begun by then fails. Seven times what it takes. */
const WHOLE_MS = 15 * 60_000;

async function main(args: string[]): Promise<number> {
  const { values } = parseTask({
    args,
    options: { peer: { type: "string" }, json: { type: "boolean" } },
  });
  const peerPath = values.peer ?? (Deno.env.get(PEER_VARIABLE) || undefined);
  const early = Promise.withResolvers<"interrupted" | "late">();
  const interrupt = () => early.resolve("interrupted");
  for (const signal of SIGNALS) Deno.addSignalListener(signal, interrupt);
  const timer = setTimeout(() => early.resolve("late"), WHOLE_MS);
  try {
    await using lab = await Lab.open();
    const peer = peerPath === undefined ? undefined : await PeerBuild.open(lab, peerPath);
    const plan = planOf(lab, peer);
    const work = fill(lab, plan).then(() => "done" as const);
    work.catch(() => {}); // its programs are ended under it when something else comes first
    const how = await Promise.race([work, early.promise]);
    if (how === "interrupted") return 130;
    if (how === "late") console.error(`Not done within ${WHOLE_MS / 60_000} minutes`);
    const { matrix } = plan;
    console.log(values.json ? JSON.stringify(reportOf(matrix), null, 2) : matrix.render());
    return matrix.isGood ? 0 : 1;
  } catch (error) {
    if (!(error instanceof NoPeerError)) throw error;
    console.error(`Error: ${error.message}`);
    return 2;
  } finally {
    clearTimeout(timer);
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, interrupt);
  }
}

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** The matrix, and who plays whom in each of its columns. */
interface Plan {
  readonly matrix: Matrix;
  readonly columns: readonly {
    readonly column: Column;
    readonly ours: OurBuild;
    /** Undefined: there is no peer. */
    readonly theirs: OurBuild | PeerBuild | undefined;
  }[];
}

function planOf(lab: Lab, peer: PeerBuild | undefined): Plan {
  const { version } = settings;
  const ours = (mode: Column["postQuantum"]) => new OurBuild(lab, version, mode);
  const name = peer === undefined ? "none" : `skywire ${peer.version}`;
  const columns: Plan["columns"] = [
    {
      column: { peer: `skyctl ${version} (control)`, postQuantum: "offer" },
      ours: ours("offer"),
      theirs: ours("offer"),
    },
    { column: { peer: name, postQuantum: "offer" }, ours: ours("offer"), theirs: peer },
    { column: { peer: name, postQuantum: "off" }, ours: ours("off"), theirs: peer },
  ];
  return { matrix: new Matrix(columns.map(({ column }) => column)), columns };
}

async function fill(lab: Lab, { matrix, columns }: Plan): Promise<void> {
  const site = `${lab.folder}/site`;
  await writeSite(site);
  for (const { column, ours, theirs } of columns) {
    if (theirs === undefined) {
      const detail = `no peer: --peer PATH or ${PEER_VARIABLE} names a skywire program`;
      for (const row of matrix.rows) matrix.fill(row, column, { verdict: "skip", detail, tookMs: 0 });
      continue;
    }
    for (const network of NETWORKS) {
      if (lab.isOver) return;
      const { discovery, server } = network;
      console.error(
        `# ${column.peer}, post-quantum ${column.postQuantum}: discovery ${discovery}, server ${server}`,
      );
      const onCell = (line: string) => lab.isOver || console.error(line);
      await tryNetwork(network, { lab, matrix, column, ours, theirs, site, onCell });
    }
  }
}

function reportOf(matrix: Matrix) {
  return { good: matrix.isGood, columns: matrix.columns, cells: matrix.cells() };
}

async function writeSite(folder: string): Promise<void> {
  await Deno.mkdir(folder);
  await Deno.writeTextFile(`${folder}/small.txt`, "small\n");
  const big = new Uint8Array(FILE_BYTES);
  for (let offset = 0; offset < FILE_BYTES; offset += 65_536) {
    crypto.getRandomValues(big.subarray(offset, offset + 65_536));
  }
  await Deno.writeFile(`${folder}/big.bin`, big);
}

if (import.meta.main) await runTask(main);
