/**
 * Edits of a text: what stands where is replaced, and nothing else is touched. Applied, or shown as a diff.
 *
 * @module
 */

/** The text from `start` up to `end` becomes `text`. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** `edits` in the order of their places, none reaching into the next. */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  let [result, at] = ["", 0];
  for (const { start, end, text: inserted } of edits) {
    result += text.slice(at, start) + inserted;
    at = end;
  }
  return result + text.slice(at);
}

/** Unchanged lines around a change, as everybody's diffs have them. */
const CONTEXT_LINES = 3;

/** Lines of the old text from `from` up to `to` become `lines`. */
interface Change {
  readonly from: number;
  readonly to: number;
  readonly lines: readonly string[];
}

/**
 * What `edits` do, as `diff -u` shows it; empty when they change nothing. What looks like a secret key is hidden, on
 * lines that do not change as well.
 */
export function renderDiff(text: string, edits: readonly Edit[], name: string): string {
  const old = linesOf(text);
  const changes = changesOf(text, edits).filter((change) =>
    change.from < change.to || change.lines.length > 0
  );
  if (changes.length === 0) return "";
  const shown = [`--- ${name}`, `+++ ${name}`];
  let shift = 0; // lines that the changes so far have added
  for (let first = 0, next = 0; first < changes.length; first = next) {
    next = first + 1;
    while (next < changes.length && changes[next]!.from - changes[next - 1]!.to <= 2 * CONTEXT_LINES) next++;
    const together = changes.slice(first, next);
    const from = Math.max(0, together[0]!.from - CONTEXT_LINES);
    const to = Math.min(old.length, together.at(-1)!.to + CONTEXT_LINES);
    const hunk: string[] = [];
    let at = from;
    for (const change of together) {
      hunk.push(...old.slice(at, change.from).map((line) => ` ${line}`));
      hunk.push(...old.slice(change.from, change.to).map((line) => `-${line}`));
      hunk.push(...change.lines.map((line) => `+${line}`));
      at = change.to;
    }
    hunk.push(...old.slice(at, to).map((line) => ` ${line}`));
    const added = together.reduce((sum, { from, to, lines }) => sum + lines.length - (to - from), 0);
    shown.push(`@@ -${rangeOf(from, to - from)} +${rangeOf(from + shift, to - from + added)} @@`);
    for (const line of hunk) shown.push(...withEndMark(line));
    shift += added;
  }
  return shown.map(hideSecrets).join("\n") + "\n";
}

/** Each edit as whole lines, edits of one line together, without the lines that stay the same at both ends. */
function changesOf(text: string, edits: readonly Edit[]): Change[] {
  const changes: Change[] = [];
  for (let first = 0, next = 0; first < edits.length; first = next) {
    let end = lineEnd(text, edits[first]!.end);
    next = first + 1;
    while (next < edits.length && edits[next]!.start < end) end = lineEnd(text, edits[next++]!.end);
    const start = text.lastIndexOf("\n", edits[first]!.start - 1) + 1;
    const inside = edits.slice(first, next).map((edit) => ({
      ...edit,
      start: edit.start - start,
      end: edit.end - start,
    }));
    const before = linesOf(text.slice(start, end));
    const after = linesOf(applyEdits(text.slice(start, end), inside));
    let [head, tail] = [0, 0];
    const least = Math.min(before.length, after.length);
    while (head < least && before[head] === after[head]) head++;
    while (tail < least - head && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
    const from = linesOf(text.slice(0, start)).length + head;
    changes.push({
      from,
      to: from + before.length - head - tail,
      lines: after.slice(head, after.length - tail),
    });
  }
  return changes;
}

/** The place behind the line break of the line that `at` is in; of an edit that ends with its line, that line's. */
function lineEnd(text: string, at: number): number {
  const lineBreak = text.indexOf("\n", at);
  return lineBreak < 0 ? text.length : lineBreak + 1;
}

/** Each with its line break, if it has one: a last line without it is another one. */
function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

function withEndMark(line: string): string[] {
  return line.endsWith("\n") ? [line.slice(0, -1)] : [line, "\\ No newline at end of file"];
}

function rangeOf(start: number, count: number): string {
  return count === 1 ? `${start + 1}` : `${count === 0 ? start : start + 1},${count}`;
}

/** Secret keys have 64 hex digits, keys of cookies 64 or 128; public keys have 66. */
function hideSecrets(line: string): string {
  return line.replace(/(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{128})(?![0-9a-f])/gi, "[secret key]");
}
