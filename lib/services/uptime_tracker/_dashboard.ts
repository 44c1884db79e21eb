/** The page for people: who is up, and was. One document, nothing to load. @module */
import type { Answer } from "../hosting/mod.ts";
import { DAY_MS, dayOf } from "../store/mod.ts";
import type { ToldVisor, Uptimes } from "../uptimes/mod.ts";

/** A row of each visor, a column of each of the last `length` days, today first. */
export function dashboard(
  uptimes: Pick<Uptimes, "answer">,
  { length, nowMs }: { length: number; nowMs: number },
): Promise<Answer> {
  const days = Array.from({ length }, (_, ago) => dayOf(nowMs - ago * DAY_MS));
  const row = ({ key, isOnline, version = "", days: counted }: ToldVisor) => {
    const percents = new Map(counted.map(({ day, percent }) => [day, percent]));
    const cells = [
      key,
      isOnline ? "online" : "",
      escape(version),
      ...days.map((day) => percents.get(day) ?? ""),
    ];
    return `<tr><td>${cells.join("<td>")}`;
  };
  const heads = ["Visor", "Now", "Version", ...days];
  return uptimes.answer((visors) => ({
    head: `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Uptimes</title>
<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em }
table { border-collapse: collapse }
td, th { padding: 0 .8em 0 0; text-align: left; font-variant-numeric: tabular-nums }
td:first-child { font-family: ui-monospace, monospace }
</style>
<h1>Uptimes</h1>
<p>${
      visors.filter(({ isOnline }) => isOnline).length
    } of ${visors.length} visors online. Percent of each day (UTC).
<table>
<tr><th>${heads.join("<th>")}
`,
    separator: "\n",
    tail: "\n</table>\n",
    render: (some) => some.map(row).join("\n"),
  }), { headers: HEADERS });
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

const HEADERS: Answer["headers"] = [
  ["Content-Type", "text/html; charset=utf-8"],
  ["Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"],
  ["X-Content-Type-Options", "nosniff"],
];
