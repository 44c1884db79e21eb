import assert from "node:assert/strict";
import { CLIENT_OPERATIONS, SERVICE_NETWORKS, serviceRowsOf, WAYS } from "./service_rows.ts";
import { type Column, Matrix, NETWORKS, ROUTE_NETWORKS, routeRowsOf, rowsOf, titleOf } from "./matrix.ts";

const column: Column = { peer: "skywire v1", postQuantum: "offer" };
const off: Column = { peer: "skywire v1", postQuantum: "off" };

/** A matrix in which all but the first cell passed. */
function allButFirst(): Matrix {
  const matrix = new Matrix([column]);
  for (const row of matrix.rows.slice(1)) {
    matrix.fill(row, column, { verdict: "pass", detail: "", tookMs: 1 });
  }
  return matrix;
}

Deno.test("Matrix.isGood is false with an empty cell, a failure, a skip without a reason, or nothing passed", () => {
  const empty = allButFirst();
  assert.equal(empty.isGood, false);
  assert.deepEqual(empty.cells().filter(({ verdict }) => verdict === "empty").length, 1);
  for (
    const [verdict, detail, good] of [
      ["pass", "", true],
      ["skip", "no such command", true],
      ["skip", "", false],
      ["fail", "refused", false],
    ] as const
  ) {
    const matrix = allButFirst();
    matrix.fill(matrix.rows[0]!, column, { verdict, detail, tookMs: 0 });
    assert.equal(matrix.isGood, good, `${verdict} ${detail}`);
  }
  const skipped = new Matrix([column]);
  for (const row of skipped.rows) {
    skipped.fill(row, column, { verdict: "skip", detail: "no peer", tookMs: 0 });
  }
  assert.equal(skipped.isGood, false);
});

Deno.test("Matrix.fill() keeps the first outcome of a cell, and columns apart", () => {
  const matrix = new Matrix([column, off]);
  const row = matrix.rows[0]!;
  matrix.fill(row, column, { verdict: "fail", detail: "first", tookMs: 0 });
  matrix.fill(row, column, { verdict: "pass", detail: "second", tookMs: 0 });
  assert.equal(matrix.outcome(row, column)?.detail, "first");
  assert.equal(matrix.outcome(row, off), undefined);
});

Deno.test("rowsOf() has every role both ways, wherever something of ours takes part", () => {
  const rows = NETWORKS.flatMap(rowsOf);
  assert.equal(rows.length, 52);
  assert.equal(new Set(rows.map(titleOf)).size, rows.length);
  for (const role of ["entry", "ping", "health", "file"]) {
    for (const from of ["ours", "theirs"]) {
      assert.equal(rows.filter((row) => row.role === role && row.from === from).length, NETWORKS.length);
    }
  }
  for (const [from, to] of [["ours", "theirs"], ["theirs", "ours"]]) {
    for (const role of ["registration", "session", "required session", "required stream"]) {
      // A refused stream goes from one to the other; the rest is between a part of ours and a part of theirs.
      assert(rows.some((row) => row.role === role && row.from === from && row.to === to), `${role} ${from}`);
    }
  }
  assert(rows.every(({ from, to, discovery }) => [from, to, discovery].includes("ours")));
});

Deno.test("routeRowsOf() has every way of being dialled, relayed and served, on either deployment", () => {
  const rows = ROUTE_NETWORKS.flatMap(routeRowsOf);
  assert.equal(rows.length, 36);
  assert.equal(new Set(rows.map(titleOf)).size, rows.length);
  for (const deployment of ["ours", "theirs"]) {
    const ways = (role: string) =>
      rows.filter((row) => row.role === role && row.deployment === deployment)
        .map(({ from, to }) => `${from} > ${to}`).sort();
    const between = ["ours > theirs", "theirs > ours"];
    for (
      const role of [
        "dmsg transport",
        "sudph transport",
        "stcpr transport",
        "stcpr redial",
        "route, 1 hop",
        "SOCKS, 1 hop",
      ]
    ) assert.deepEqual(ways(role), between, role);
    assert.deepEqual(ways("SOCKS, 2 hops"), [...between, "ours > ours", "theirs > theirs"].sort());
    assert.deepEqual([ways("route, 2 hops"), ways("route, 3 hops")], [["ours > ours"], ["ours > theirs"]]);
  }
});

Deno.test("serviceRowsOf() has every operation by either way, and visors of the one side on the other's deployment", () => {
  const rows = SERVICE_NETWORKS.flatMap(serviceRowsOf);
  assert.equal(rows.length, 101);
  assert.equal(new Set(rows.map(titleOf)).size, rows.length);
  const operations = Object.values(CLIENT_OPERATIONS).flat().length;
  for (const way of WAYS) {
    assert.equal(rows.filter(({ role }) => role.endsWith(`, over ${way}`)).length, operations, way);
  }
  const rolesOn = (side: string) =>
    rows.filter(({ deployment }) => deployment === side).map(({ role }) => role);
  for (
    const role of ["dmsg entry", "bound for stcpr", "bound for sudph", "public visor", "skysocks server"]
  ) {
    for (const side of ["ours", "theirs"]) {
      assert.equal(
        rolesOn(side).filter((each) => each === `visor: ${role}`).length,
        1,
      );
    }
  }
  assert.ok(
    rows.every(({ deployment, from }) => from !== deployment),
    "nobody is tried on a deployment of its own",
  );
});

Deno.test("Matrix.render() has a line for each row, each reason once, and the counts", () => {
  const matrix = new Matrix([column, off]);
  const [first, second, third, ...rest] = matrix.rows;
  matrix.fill(first!, column, { verdict: "pass", detail: "", tookMs: 12.4 });
  matrix.fill(second!, column, { verdict: "fail", detail: "no answer", tookMs: 3 });
  for (const row of [third!, ...rest]) {
    matrix.fill(row, column, { verdict: "skip", detail: "no command", tookMs: 0 });
  }
  const text = matrix.render();
  for (const row of matrix.rows) assert(text.includes(`\n${titleOf(row)} `));
  assert.match(text, /\n1 {2}peer skywire v1, post-quantum on our side: offer|^1 {2}peer skywire v1/);
  assert.match(text, /pass 12 ms +EMPTY\n/);
  assert.match(text, /\nFAIL: .*: no answer\n/);
  assert.equal(text.split("no command").length, 2);
  const skipped = matrix.rows.length - 2;
  assert.ok(text.includes(`\nskip: no command (${skipped} cells)\n`));
  assert.ok(text.endsWith(`\n1 passed, 1 failed, ${skipped} skipped, ${matrix.rows.length} empty`));
});
