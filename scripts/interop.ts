/**
 * `deno task interop [--peer PATH] [--json]`: living interoperability, as a matrix of role, direction and peer.
 *
 * `--peer` (or `SKYCTL_INTEROP_PEER`) is a `skywire` program of the operator's own. Without one its columns are
 * skips, and only the control column, ours against ours, is filled live. Everything runs on loopback and on free
 * ports, and is ended, also by Ctrl-C. Progress goes to stderr, the table or the JSON to stdout. Exit code 1 when
 * a cell failed or is empty. See `docs/interop.md`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import settings from "../deno.json" with { type: "json" };
import { PEER_VARIABLE } from "../tests/interop/peer_variable.ts";
import { Lab } from "../tests/interop/lab.ts";
import { FILE_BYTES, tryNetwork } from "../tests/interop/live.ts";
import { type Column, Matrix, NETWORKS } from "../tests/interop/matrix.ts";
import { OurBuild } from "../tests/interop/ours.ts";
import { PeerBuild } from "../tests/interop/peer.ts";

/** Everything together; what has not begun by then fails. Ten times what it takes. */
const WHOLE_MS = 15 * 60_000;

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: { peer: { type: "string" }, json: { type: "boolean" } },
  });
  const peerPath = values.peer ?? Deno.env.get(PEER_VARIABLE);
  const ended = Promise.withResolvers<number>();
  const onSignal = () => ended.resolve(130);
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, onSignal);
  const timer = setTimeout(() => ended.resolve(1), WHOLE_MS);
  try {
    await using lab = await Lab.open();
    const work = fillMatrix(lab, peerPath).then((matrix) => {
      console.log(values.json ? JSON.stringify(reportOf(matrix), null, 2) : matrix.render());
      return matrix.isGood ? 0 : 1;
    });
    work.catch(() => {}); // when the end comes first, its programs die under it
    return await Promise.race([work, ended.promise]);
  } finally {
    clearTimeout(timer);
    for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.removeSignalListener(signal, onSignal);
  }
}

async function fillMatrix(lab: Lab, peerPath: string | undefined): Promise<Matrix> {
  const { version } = settings;
  const peer = peerPath === undefined ? undefined : await PeerBuild.open(lab, peerPath);
  const name = peer === undefined ? "none" : `skywire ${peer.version}`;
  const control: Column = { peer: `skyctl ${version} (control: ours)`, postQuantum: "offer" };
  const columns: Column[] = [control, { peer: name, postQuantum: "offer" }, {
    peer: name,
    postQuantum: "off",
  }];
  const matrix = new Matrix(columns);
  const site = `${lab.folder}/site`;
  await writeSite(site);
  for (const column of columns) {
    const ours = new OurBuild(lab, version, column.postQuantum);
    const theirs = column === control ? new OurBuild(lab, version, "offer") : peer;
    if (theirs === undefined) {
      const detail = `no peer: --peer PATH or ${PEER_VARIABLE} names a skywire program`;
      for (const row of matrix.rows) matrix.fill(row, column, { verdict: "skip", detail, tookMs: 0 });
      continue;
    }
    for (const network of NETWORKS) {
      console.error(
        `# ${column.peer}, post-quantum ${column.postQuantum}: ` +
          `discovery ${network.discovery}, server ${network.server}`,
      );
      const onCell = (line: string) => console.error(line);
      await tryNetwork(network, { lab, matrix, column, ours, theirs, site, onCell });
    }
  }
  return matrix;
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

if (import.meta.main) Deno.exit(await main(Deno.args));
