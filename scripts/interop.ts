/**
 * `deno task interop [--peer PATH] [--only dmsg|routes|services] [--patient] [--json]`: living interoperability, as a matrix of role,
 * direction and peer.
 *
 * `--peer` (or `SKYCTL_INTEROP_PEER`) is a `skywire` program of the operator's own. Without one its columns are
 * skips, and only the control column, ours against ours, is filled live. Everything runs on loopback and on free
 * ports, as root on Linux in a network namespace of its own, and is ended, also by Ctrl-C. Progress goes to stderr, the table or the JSON to stdout. Exit code 1 when
 * a cell failed or is empty, 2 when the peer is no such program. See `docs/interop.md`.
 *
 * @module
 */
import { parseTask, runTask } from "./_arguments.ts";
import settings from "../deno.json" with { type: "json" };
import { Lab } from "../tests/interop/lab.ts";
import { FILE_BYTES, tryNetwork } from "../tests/interop/live.ts";
import {
  type Column,
  Matrix,
  NETWORKS,
  ROUTE_NETWORKS,
  routeRowsOf,
  ROWS,
  rowsOf,
} from "../tests/interop/matrix.ts";
import { canMakeNamespace, inNamespace, runInNamespace } from "../tests/interop/namespace.ts";
import { OurBuild } from "../tests/interop/ours.ts";
import { NoPeerError, PeerBuild } from "../tests/interop/peer.ts";
import { tryRoutes } from "../tests/interop/routes.ts";
import { SERVICE_NETWORKS, serviceRowsOf } from "../tests/interop/service_rows.ts";
import { tryDeployment } from "../tests/interop/services.ts";

/** Names a `skywire` program where `--peer` does not. */
const PEER_VARIABLE = "SKYCTL_INTEROP_PEER";

/** Everything together; what has not begun by then fails. Several times what it takes. */
const WHOLE_MS = 20 * 60_000;
/** The same with `--patient`: six minutes more for each column. */
const WHOLE_PATIENT_MS = 40 * 60_000;

async function main(args: string[]): Promise<number> {
  const { values } = parseTask({
    args,
    options: {
      peer: { type: "string" },
      only: { type: "string" },
      patient: { type: "boolean" },
      json: { type: "boolean" },
    },
  });
  const only = values.only;
  if (only !== undefined && !(only in PARTS)) {
    console.error(`Error: --only takes ${Object.keys(PARTS).join(" or ")}`);
    return 2;
  }
  if (!inNamespace() && await canMakeNamespace()) {
    const self = ["run", "-A", "--no-check", import.meta.filename!, ...args];
    return await runInNamespace(Deno.execPath(), self, SIGNALS);
  }
  const peerPath = values.peer ?? (Deno.env.get(PEER_VARIABLE) || undefined);
  const early = Promise.withResolvers<"interrupted" | "late">();
  const interrupt = () => early.resolve("interrupted");
  for (const signal of SIGNALS) Deno.addSignalListener(signal, interrupt);
  const isPatient = values.patient === true;
  const wholeMs = isPatient ? WHOLE_PATIENT_MS : WHOLE_MS;
  const timer = setTimeout(() => early.resolve("late"), wholeMs);
  try {
    await using lab = await Lab.open();
    const peer = peerPath === undefined ? undefined : await PeerBuild.open(lab, peerPath);
    const plan = planOf(lab, peer, only as Part | undefined);
    const work = fill(lab, plan, isPatient).then(() => "done" as const);
    work.catch(() => {}); // its programs are ended under it when something else comes first
    const how = await Promise.race([work, early.promise]);
    if (how === "interrupted") return 130;
    if (how === "late") console.error(`Not done within ${wholeMs / 60_000} minutes`);
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

/** What `--only` names. */
const PARTS = {
  dmsg: NETWORKS.flatMap(rowsOf),
  routes: ROUTE_NETWORKS.flatMap(routeRowsOf),
  services: SERVICE_NETWORKS.flatMap(serviceRowsOf),
} as const;
type Part = keyof typeof PARTS;

/** The matrix, and who plays whom in each of its columns. */
interface Plan {
  readonly matrix: Matrix;
  readonly only: Part | undefined;
  readonly columns: readonly {
    readonly column: Column;
    readonly ours: OurBuild;
    /** Undefined: there is no peer. */
    readonly theirs: OurBuild | PeerBuild | undefined;
  }[];
}

function planOf(lab: Lab, peer: PeerBuild | undefined, only: Part | undefined): Plan {
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
  const rows = only === undefined ? ROWS : PARTS[only];
  return { matrix: new Matrix(columns.map(({ column }) => column), rows), only, columns };
}

async function fill(lab: Lab, { matrix, only, columns }: Plan, isPatient: boolean): Promise<void> {
  const site = `${lab.folder}/site`;
  await writeSite(site);
  for (const { column, ours, theirs } of columns) {
    if (theirs === undefined) {
      const detail = `no peer: --peer PATH or ${PEER_VARIABLE} names a skywire program`;
      for (const row of matrix.rows) matrix.fill(row, column, { verdict: "skip", detail, tookMs: 0 });
      continue;
    }
    const onCell = (line: string) => lab.isOver || console.error(line);
    const options = { lab, matrix, column, ours, theirs, site, isPatient, onCell };
    const say = (where: string) =>
      console.error(`# ${column.peer}, post-quantum ${column.postQuantum}: ${where}`);
    const isWanted = (part: Part) => only === undefined || only === part;
    for (const network of isWanted("dmsg") ? NETWORKS : []) {
      if (lab.isOver) return;
      say(`discovery ${network.discovery}, server ${network.server}`);
      await tryNetwork(network, options);
    }
    for (const network of isWanted("routes") ? ROUTE_NETWORKS : []) {
      if (lab.isOver) return;
      say(`deployment ${network.deployment}`);
      await tryRoutes(network, options);
    }
    if (isWanted("services") && !lab.isOver) {
      say("whole deployments");
      await Promise.all(SERVICE_NETWORKS.map((network) => tryDeployment(network, options)));
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
