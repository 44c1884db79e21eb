/** Filling the cells of one network in one column. @module */
import { SkipError } from "./build.ts";
import {
  type Column,
  type Matrix,
  type Role,
  type RouteRole,
  type Row,
  type Side,
  titleOf,
} from "./matrix.ts";
import type { ServiceRole } from "./service_rows.ts";

/** Where outcomes go. */
export interface CellOptions {
  readonly matrix: Matrix;
  readonly column: Column;
  /** Told of each cell. */
  readonly onCell: (line: string) => void;
}

/**
 * Runs `work` for the row of this role and direction, unless there is none or it has an outcome, and fills its
 * cell: what `work` gives is the detail of a pass, `SkipError` a skip, everything else a failure. Never rejects.
 */
export type FillCell<R extends Role | RouteRole | ServiceRole> = (
  role: R,
  from: Side,
  work: () => Promise<string>,
  to?: Side,
) => Promise<void>;

/** Fills cells of `rows`. Without `to`, the first row of the role and `from` is meant. */
export function cellFiller<R extends Role | RouteRole | ServiceRole>(
  rows: readonly Row[],
  { matrix, column, onCell }: CellOptions,
): FillCell<R> {
  return async (role, from, work, to) => {
    const row = rows.find((each) =>
      each.role === role && each.from === from && (to === undefined || each.to === to)
    );
    if (row === undefined || matrix.outcome(row, column) !== undefined) return;
    const startedMs = performance.now();
    const fill = (verdict: "pass" | "fail" | "skip", detail: string) => {
      const tookMs = Math.round(performance.now() - startedMs);
      matrix.fill(row, column, { verdict, detail, tookMs });
      onCell(`${verdict}  ${titleOf(row)}, ${tookMs} ms: ${detail}`);
    };
    try {
      fill("pass", await work());
    } catch (error) {
      if (error instanceof SkipError) fill("skip", error.message);
      else fill("fail", error instanceof Error ? error.message : String(error));
    }
  };
}
