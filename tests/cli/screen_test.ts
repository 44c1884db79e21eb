import assert from "node:assert/strict";
import { Screen, SCREEN_LEAVE } from "../../lib/cli/screen.ts";
import { withoutSteering } from "./_fakes.ts";

/** A terminal that keeps each write. */
function terminal(size: { columns?: number; rows?: number } = { columns: 10, rows: 3 }) {
  const writes: string[] = [];
  const screen = new Screen({
    columns: () => size.columns,
    rows: () => size.rows,
    write: (text) => writes.push(text),
  });
  return { size, writes, screen };
}

Deno.test("Screen draws a picture in one write, over the old one and without erasing it first", () => {
  const { writes, screen } = terminal();
  assert.deepEqual(writes.splice(0), ["\x1b[?1049h\x1b[?25l\x1b[?7l"]); // second screen, no cursor, no wrapping
  screen.show(["one", "two"]);
  assert.deepEqual(writes.splice(0), ["\x1b[?2026h\x1b[H" + "one\x1b[K\r\ntwo\x1b[K\x1b[J" + "\x1b[?2026l"]);
  screen.show(["one", "two"]);
  assert.equal(writes.length, 0, "the same picture is there already");
  screen.show(["one"]);
  assert(writes[0]!.includes("\x1b[Hone\x1b[K\x1b[J"), "what is below is erased");
});

Deno.test("Screen cuts what is too wide or too low at the terminal's size of that moment", () => {
  const { size, writes, screen } = terminal();
  const picture = () => withoutSteering(writes.splice(0).at(-1)!);
  screen.show(["0123456789abc", "x"]);
  assert.equal(picture(), "0123456789\r\nx");
  screen.show(["1", "2", "3", "4", "5"]);
  assert.equal(picture(), "1\r\n2\r\n... 3 more");
  Object.assign(size, { columns: 5, rows: 5 });
  screen.show(["1234567", "2", "3", "4", "5"]);
  assert.equal(picture(), "12345\r\n2\r\n3\r\n4\r\n5");
  assert.deepEqual(terminal({}).screen.size, { columns: 80, rows: 24 });
});

Deno.test("Screen.close() gives the terminal back once, and nothing is drawn behind it", () => {
  const { writes, screen } = terminal();
  screen.show(["one"]);
  writes.length = 0;
  screen.close();
  screen.close();
  screen.show(["two"]);
  assert.deepEqual(writes, [SCREEN_LEAVE]);
  assert.equal(SCREEN_LEAVE, "\x1b[?7h\x1b[?25h\x1b[?1049l");
});
