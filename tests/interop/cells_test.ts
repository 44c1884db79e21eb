import assert from "node:assert/strict";
import { SkipError } from "./build.ts";
import { cellFiller } from "./cells.ts";
import { type Column, Matrix, type RouteRole, routeRowsOf } from "./matrix.ts";

const column: Column = { peer: "skywire v1", postQuantum: "offer" };

Deno.test("cellFiller() makes an outcome of whatever comes of the work, once, for the row of role and direction", async () => {
  const rows = routeRowsOf({ deployment: "ours" });
  const matrix = new Matrix([column], rows);
  const lines: string[] = [];
  const cell = cellFiller<RouteRole>(rows, { matrix, column, onCell: (line) => lines.push(line) });
  await cell("SOCKS, 2 hops", "ours", () => Promise.resolve("through theirs"), "ours");
  await cell("SOCKS, 2 hops", "ours", () => Promise.reject(new Error("no route")), "theirs");
  await cell("SOCKS, 2 hops", "ours", () => Promise.resolve("late"), "theirs");
  await cell("route, 1 hop", "theirs", () => Promise.reject(new SkipError("no command")));
  await cell("route, 3 hops", "theirs", () => Promise.resolve("there is no such row"));
  const filled = matrix.cells().flatMap((each) =>
    each.verdict === "empty" ? [] : [[each.role, each.from, each.to, each.verdict, each.detail]]
  );
  assert.deepEqual(filled, [
    ["route, 1 hop", "theirs", "ours", "skip", "no command"],
    ["SOCKS, 2 hops", "ours", "ours", "pass", "through theirs"],
    ["SOCKS, 2 hops", "ours", "theirs", "fail", "no route"],
  ]);
  assert.equal(lines.length, 3);
  assert.match(lines[1]!, /^fail {2}SOCKS, 2 hops: ours > theirs \(deployment ours\), \d+ ms: no route$/);
});
