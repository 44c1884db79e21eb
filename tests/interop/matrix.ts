/**
 * The matrix of living interoperability: which rows there are, what each cell says, and whether that is enough.
 *
 * Pure: it starts nothing. A row is a role in a direction over a network; a column is the other program's version
 * and what our side does about the post-quantum hybrid.
 *
 * @module
 */

import { SERVICE_NETWORKS, type ServiceRow, serviceRowsOf } from "./service_rows.ts";

/** Whose program plays a part. In the control column ours plays theirs, too. */
export type Side = "ours" | "theirs";

/** A network has one discovery and one dmsg server: so it is known what carried a stream. */
export interface NetworkPlan {
  readonly discovery: Side;
  readonly server: Side;
}

/** Every combination. */
export const NETWORKS: readonly NetworkPlan[] = [
  { discovery: "ours", server: "ours" },
  { discovery: "ours", server: "theirs" },
  { discovery: "theirs", server: "ours" },
  { discovery: "theirs", server: "theirs" },
];

/** A network for transports and routes: every service of it is of one side, and both have two visors there. */
export interface RouteNetworkPlan {
  /** dmsg discovery, dmsg server, transport discovery, address resolver, route finder, setup node. */
  readonly deployment: Side;
}

export const ROUTE_NETWORKS: readonly RouteNetworkPlan[] = [{ deployment: "ours" }, { deployment: "theirs" }];

/** What is tried; each says who does it to whom. */
export const ROLES = {
  registration: "a server registers at a discovery over HTTP",
  session: "a client has a session with a server",
  entry: "the one's entry is found by the other",
  ping: "dmsgctrl round trips",
  health: "HTTP GET of /health",
  file: "the one fetches a file of 32 MiB from the other",
  "entry deleted": "the one's entry is gone after its end",
  "required session": "a session, with post-quantum required on our side",
  "required stream": "a stream, with post-quantum required on our side",
} as const;

export type Role = keyof typeof ROLES;

/** What is tried with transports and routes; who dials, and whom. Where both are one side, the other is the relay. */
export const ROUTE_ROLES = {
  "dmsg transport":
    "is made, is registered, carries a route, and is gone at both ends when the dialler closes it",
  "sudph transport": "is made, is registered, carries a route, and is found no more when both have closed it",
  "stcpr transport": "is made, and is registered",
  "stcpr redial": "closed by the one, gone at the other and in the discovery, and made again",
  "route, 1 hop": "round trips over a route",
  "route, 2 hops": "round trips over a route through a visor of the other side",
  "route, 3 hops": "round trips over a route through a visor of each side",
  "SOCKS, 1 hop": "a file of 32 MiB through the other's skysocks",
  "SOCKS, 2 hops": "the same through a relay, of the other side where both ends are of one",
} as const;

export type RouteRole = keyof typeof ROUTE_ROLES;

/** One line of the matrix that is about dmsg. */
export interface DmsgRow extends NetworkPlan {
  readonly role: Role;
  readonly from: Side;
  readonly to: Side;
}

/** One line that is about transports and routes. */
export interface RouteRow extends RouteNetworkPlan {
  readonly role: RouteRole;
  readonly from: Side;
  readonly to: Side;
}

export type Row = DmsgRow | RouteRow | ServiceRow;

/** One column: whom we meet, and how. */
export interface Column {
  /** Its version, or why there is none. */
  readonly peer: string;
  /** Of our side. */
  readonly postQuantum: "offer" | "off";
}

export type Verdict = "pass" | "fail" | "skip";

/** What came out. `detail` of a skip says why, of a failure what was seen. */
export interface Outcome {
  readonly verdict: Verdict;
  readonly detail: string;
  readonly tookMs: number;
}

/** One cell, as `--json` prints it; without an outcome it was never filled. */
export type Cell = Row & Column & (Outcome | { readonly verdict: "empty" });

const SIDES: readonly Side[] = ["ours", "theirs"];
const other = (side: Side): Side => side === "ours" ? "theirs" : "ours";

/** The rows of one network. What has nothing of ours in it is no row: it proves nothing of us. */
export function rowsOf(network: NetworkPlan): DmsgRow[] {
  const { discovery, server } = network;
  const row = (role: Role, from: Side, to: Side): DmsgRow => ({ role, from, to, ...network });
  const between = (role: Role) => SIDES.map((from) => row(role, from, other(from)));
  return [
    row("registration", server, discovery),
    ...SIDES.map((from) => row("session", from, server)),
    ...between("entry"),
    ...between("ping"),
    ...between("health"),
    ...between("file"),
    ...SIDES.map((from) => row("entry deleted", from, discovery)),
    ...(discovery === "ours" && server === "theirs" ? [row("required session", "ours", "theirs")] : []),
    ...(discovery === "ours" && server === "ours"
      ? [...between("required stream"), row("required session", "theirs", "ours")]
      : []),
  ].filter(({ role, from, to }) =>
    from === "ours" || to === "ours" || (role === "session" && discovery === "ours")
  );
}

/** The rows of one network for transports and routes. */
export function routeRowsOf({ deployment }: RouteNetworkPlan): RouteRow[] {
  const row = (role: RouteRole, from: Side, to: Side): RouteRow => ({ role, from, to, deployment });
  const between = (role: RouteRole) => SIDES.map((from) => row(role, from, other(from)));
  const through = (role: RouteRole) => SIDES.map((side) => row(role, side, side));
  return [
    ...between("dmsg transport"),
    ...between("sudph transport"),
    ...between("stcpr transport"),
    ...between("stcpr redial"),
    ...between("route, 1 hop"),
    row("route, 2 hops", "ours", "ours"),
    row("route, 3 hops", "ours", "theirs"),
    ...between("SOCKS, 1 hop"),
    ...through("SOCKS, 2 hops"),
    ...between("SOCKS, 2 hops"),
  ];
}

/** Every row there is. */
export const ROWS: readonly Row[] = [
  ...NETWORKS.flatMap(rowsOf),
  ...ROUTE_NETWORKS.flatMap(routeRowsOf),
  ...SERVICE_NETWORKS.flatMap(serviceRowsOf),
];

/** Columns and rows, and the cells that were filled. */
export class Matrix {
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  readonly #outcomes = new Map<string, Outcome>();

  constructor(columns: readonly Column[], rows: readonly Row[] = ROWS) {
    this.columns = columns;
    this.rows = rows;
  }

  /** Fills a cell. The first outcome stays: a later "not reached" hides no failure. */
  fill(row: Row, column: Column, outcome: Outcome): void {
    const key = keyOf(row, column);
    if (!this.#outcomes.has(key)) this.#outcomes.set(key, outcome);
  }

  outcome(row: Row, column: Column): Outcome | undefined {
    return this.#outcomes.get(keyOf(row, column));
  }

  cells(): Cell[] {
    return this.columns.flatMap((column) =>
      this.rows.map((row) => ({ ...row, ...column, ...(this.outcome(row, column) ?? { verdict: "empty" }) }))
    );
  }

  /** Good: no failure, no empty cell, no skip without a reason, and something passed. */
  get isGood(): boolean {
    const cells = this.cells();
    return cells.some(({ verdict }) => verdict === "pass") &&
      cells.every((cell) => cell.verdict === "pass" || (cell.verdict === "skip" && cell.detail !== ""));
  }

  /** A table, then what failed, was skipped or is empty, each reason once. */
  render(): string {
    const heads = this.columns.map((_, index) => `${index + 1}`);
    const width = Math.max(...this.rows.map((row) => titleOf(row).length));
    const lines = [
      ...this.columns.map(({ peer, postQuantum }, index) =>
        `${index + 1}  peer ${peer}, post-quantum on our side: ${postQuantum}`
      ),
      "",
      `${"".padEnd(width)}  ${heads.map((head) => head.padEnd(14)).join("")}`.trimEnd(),
      ...this.rows.map((row) => {
        const shown = this.columns.map((column) => this.#show(row, column).padEnd(14));
        return `${titleOf(row).padEnd(width)}  ${shown.join("")}`.trimEnd();
      }),
    ];
    const reasons = new Map<string, number>();
    for (const cell of this.cells()) {
      if (cell.verdict === "pass") continue;
      const reason = cell.verdict === "empty"
        ? `EMPTY: ${titleOf(cell)}, ${cell.peer}, ${cell.postQuantum}`
        : cell.verdict === "fail"
        ? `FAIL: ${titleOf(cell)}, ${cell.peer}, ${cell.postQuantum}: ${cell.detail}`
        : `skip: ${cell.detail}`;
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    }
    if (reasons.size > 0) lines.push("");
    for (const [reason, count] of reasons) lines.push(count > 1 ? `${reason} (${count} cells)` : reason);
    const count = (wanted: string) => this.cells().filter(({ verdict }) => verdict === wanted).length;
    lines.push(
      "",
      `${count("pass")} passed, ${count("fail")} failed, ${count("skip")} skipped, ${count("empty")} empty`,
    );
    return lines.join("\n");
  }

  #show(row: Row, column: Column): string {
    const outcome = this.outcome(row, column);
    if (outcome === undefined) return "EMPTY";
    const { verdict, tookMs } = outcome;
    if (verdict === "fail") return "FAIL";
    return verdict === "pass" ? `pass ${Math.round(tookMs)} ms` : "skip";
  }
}

/** `file: ours > theirs (server theirs, discovery ours)`, `SOCKS, 1 hop: ours > theirs (deployment theirs)`. */
export function titleOf(row: Row): string {
  const where = "deployment" in row
    ? `deployment ${row.deployment}`
    : `server ${row.server}, discovery ${row.discovery}`;
  return `${row.role}: ${row.from} > ${row.to} (${where})`;
}

function keyOf(row: Row, { peer, postQuantum }: Column): string {
  return [titleOf(row), peer, postQuantum].join("|");
}
