/** Log lines cannot be forged, and the ring of them is bounded. @module */
import assert from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  type LogFields,
  type LogRecord,
  LogRing,
  logTo,
  oneLine,
  renderLogRecord,
  silentLog,
} from "../../lib/base/mod.ts";

const record = (message: string, fields: LogFields = {}): LogRecord => ({
  atMs: Date.UTC(2026, 5, 18, 9),
  level: "info",
  module: "dmsg.client",
  message,
  fields,
});

Deno.test("renderLogRecord() writes one line, in the format of Skywire", () => {
  assert.equal(
    renderLogRecord(record("Session opened", { server: "02ab", streams: 3, reused: false, left: undefined })),
    "[2026-06-18T09:00:00.000Z] INFO [dmsg.client]: Session opened server=02ab streams=3 reused=false",
  );
});

Deno.test("renderLogRecord() lets no text of a peer break a line or steer a terminal", () => {
  const line = "x\n2026-06-18T09:00:00.000Z ERROR [visor]: forged";
  const steering = [
    line,
    "\r",
    "\x1b[2J",
    "\x9b2J",
    "\u2028",
    "\u2029",
    "\x85",
    "\x7f",
    "\u202eevil",
    "\x00",
  ];
  for (const text of steering) {
    const rendered = renderLogRecord(record(text, { reason: text }));
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(rendered, /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/);
  }
});

Deno.test("renderLogRecord() quotes a value that could be taken for more fields", () => {
  const rendered = renderLogRecord(
    record("Refused", { reason: 'a b="c" admin=true', empty: "", text: "Zürich" }),
  );
  assert.ok(rendered.endsWith(` reason="a b=\\"c\\" admin=true" empty="" text="Zürich"`), rendered);
});

Deno.test("oneLine() leaves ordinary text of every script alone", () => {
  for (const text of ["", "plain", "Zürich 東京 🙂", "a\\b"]) assert.equal(oneLine(text), text);
  assert.equal(oneLine("a\nb\u2028c"), "a\\x0ab\\u2028c");
});

Deno.test("logTo() names modules by their path and takes its times from the clock", () => {
  const records: LogRecord[] = [];
  const log = logTo((record) => records.push(record), () => 7);
  log.warn("a");
  log.child("dmsg").child("client").error("b", { code: 202 });
  assert.deepEqual(records, [
    { atMs: 7, level: "warn", module: "skyctl", message: "a", fields: {} },
    { atMs: 7, level: "error", module: "dmsg.client", message: "b", fields: { code: 202 } },
  ]);
  silentLog.child("anything").info("nothing");
});

Deno.test("LogRing keeps the newest whole lines within its bound, in bytes of UTF-8", () => {
  const ring = new LogRing(20);
  for (const line of ["first", "second", "third"]) ring.push(line);
  assert.equal(ring.text(), "first\nsecond\nthird\n".slice(0));
  ring.push("x");
  assert.equal(ring.text(), "second\nthird\nx\n");
  const bytes = () => new TextEncoder().encode(ring.text()).length;
  for (const line of ["東京東京", "🙂🙂🙂", "é", "\ud800", "a🙂"]) {
    ring.push(line);
    assert.ok(bytes() <= 20, `${bytes()} bytes`);
  }
  assert.equal(ring.text(), "é\n\ufffd\na🙂\n");
});

Deno.test("LogRing cuts a line that is longer than itself, between characters", () => {
  for (const [bytesMax, kept] of [[8, "🙂\n"], [9, "🙂🙂\n"], [1, "\n"]] as const) {
    const ring = new LogRing(bytesMax);
    ring.push("old");
    ring.push("🙂🙂🙂");
    assert.equal(ring.text(), kept);
  }
  const nothing = new LogRing(0);
  nothing.push("any");
  assert.equal(nothing.text(), "");
});

/** Bytes of the heap that are in use after a collection. */
function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  collect();
  return Deno.memoryUsage().heapUsed;
}

Deno.test("LogRing does not grow with the number of lines that went through it", () => {
  const ring = new LogRing(1_000);
  const before = heapBytes();
  for (let count = 0; count < 2_000_000; count++) ring.push("a line");
  const grown = heapBytes() - before;
  assert.ok(grown < 5_000_000, `${grown} bytes after 2,000,000 lines`);
  assert.equal(ring.text().length, 994);
});

Deno.test("LogRing holds no line that it dropped", () => {
  const ring = new LogRing(100_000);
  const before = heapBytes();
  for (let count = 0; count < 300; count++) {
    ring.push(new TextDecoder().decode(new Uint8Array(99_000).fill(0x61 + count % 26))); // flat, not a rope
  }
  const grown = heapBytes() - before;
  assert.ok(grown < 5_000_000, `${grown} bytes for a ring of 100,000`);
  assert.equal(ring.text().length, 99_001);
});
