/** Errors say what failed, whose fault it is, and never break a line. @module */
import assert from "node:assert/strict";
import {
  CallerError,
  ConnClosedError,
  ConnResetError,
  describeError,
  isAbort,
  LimitError,
  MalformedError,
  PeerError,
  SkyError,
  TimedOutError,
  TruncatedError,
  WorldError,
} from "../../lib/base/mod.ts";

Deno.test("each SkyError carries its name, its code and its fault", () => {
  const errors: [SkyError, string, string, typeof CallerError | typeof PeerError | typeof WorldError][] = [
    [new ConnClosedError(), "ConnClosedError", "CONN_CLOSED", WorldError],
    [new ConnResetError(), "ConnResetError", "CONN_RESET", WorldError],
    [new TruncatedError("a frame"), "TruncatedError", "TRUNCATED", PeerError],
    [new MalformedError("bad"), "MalformedError", "MALFORMED", PeerError],
    [new TimedOutError("A read", 5), "TimedOutError", "TIMED_OUT", WorldError],
    [new LimitError("full"), "LimitError", "LIMIT_REACHED", PeerError],
  ];
  for (const [error, name, code, family] of errors) {
    assert.ok(error instanceof family && error instanceof SkyError && error instanceof Error);
    assert.deepEqual([error.name, error.code], [name, code]);
  }
  const hinted = new MalformedError("bad", { hint: "skyctl dmsg probe", cause: errors });
  assert.deepEqual([hinted.hint, hinted.cause], ["skyctl dmsg probe", errors]);
  assert.equal(new ConnClosedError("why").cause, "why");
});

Deno.test("describeError() tells the causes in one line", () => {
  const root = new Error("connection refused\nERROR forged");
  const error = new Error("Cannot dial", { cause: new TruncatedError("a greeting", { cause: root }) });
  assert.equal(
    describeError(error),
    "Cannot dial: Connection ended inside a greeting: connection refused\\x0aERROR forged",
  );
});

Deno.test("describeError() has a text for whatever was thrown", () => {
  const hostile = { toString: () => assert.fail("hostile") };
  const ring = new Error("ring");
  ring.cause = ring;
  const texts = [undefined, null, "text", 7, Symbol("s"), new Error(""), Object.create(null), hostile, ring]
    .map(describeError);
  assert.deepEqual(texts.slice(0, 6), ["unknown error", "unknown error", "text", "7", "Symbol(s)", "Error"]);
  assert.deepEqual(texts.slice(6, 8), ["an object without a text", "an object without a text"]);
  assert.equal(texts[8], "ring: ring: ring: ring: ring: ring");
});

Deno.test("isAbort() is true for an abort alone", () => {
  assert.ok(isAbort(AbortSignal.abort().reason));
  for (const other of [new DOMException("late", "TimeoutError"), new Error("AbortError"), undefined]) {
    assert.equal(isAbort(other), false);
  }
});

Deno.test("TimedOutError says whole milliseconds, and none of them 0", () => {
  const text = (afterMs: number) => new TimedOutError("A look", afterMs).message;
  assert.equal(text(0.9787879999999802), "A look did not finish within 1 ms");
  assert.equal(text(5_000), "A look did not finish within 5000 ms");
  assert.equal(text(41.2), "A look did not finish within 42 ms");
});
