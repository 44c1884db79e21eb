/** Tables for people: columns aligned by blanks, no borders. @module */
import Table from "cli-table3";
import { oneLine } from "../base/mod.ts";

/** One column: its heading, and where its text stands. */
export interface Column {
  readonly head: string;
  readonly align?: "left" | "right";
}

const NO_BORDERS = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: "  ",
} as const;

/** Rows under their headings, one line each, without blanks at line ends. Cells are one-line texts. */
export function renderTable(
  columns: readonly (string | Column)[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const full = columns.map((column): Column => typeof column === "string" ? { head: column } : column);
  const table = new Table({
    head: full.map(({ head }) => head),
    chars: { ...NO_BORDERS },
    colAligns: full.map(({ align = "left" }) => align),
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
  });
  for (const row of rows) table.push(row.map(textOf));
  return table.toString().split("\n").map((line) => line.trimEnd()).join("\n");
}

/** The same, with keys and ids in full where `columns` are enough for every line, else in short. */
export function renderTableWithin(
  columns: number,
  heads: readonly (string | Column)[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const full = renderTable(heads, rows);
  if (full.split("\n").every((line) => line.length <= columns)) return full;
  const short = (cell: string | number) => typeof cell === "string" ? shortened(cell) : cell;
  return renderTable(heads, rows.map((row) => row.map(short)));
}

/** `02ab12cd…9f3e` of a key or an id; other text as it is. */
export function shortened(text: string): string {
  return /^[0-9a-f-]{36,}$/.test(text) ? `${text.slice(0, 8)}…${text.slice(-4)}` : text;
}

/** A peer's text may stand in a cell: nothing in it may steer the terminal. */
function textOf(cell: string | number): string {
  return oneLine(String(cell));
}

/** `name: value` lines, values aligned. */
export function renderFields(fields: readonly (readonly [name: string, value: string | number])[]): string {
  const width = Math.max(...fields.map(([name]) => name.length)) + 2;
  return fields.map(([name, value]) => `${name}:`.padEnd(width) + textOf(value)).join("\n");
}
